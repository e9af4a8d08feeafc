# task: add
# unusual: reads its own source: inspect, ast, dis, tokenize, symtable, linecache, tracebacks
import ast
import dis
import inspect
import io
import linecache
import symtable
import sys
import textwrap
import tokenize
import traceback


def add(a, b):
    source = inspect.getsource(add)
    assert source.startswith("def add(a, b):") and inspect.getsourcelines(add)[1] == 15
    names = {node.id for node in ast.walk(ast.parse(textwrap.dedent(source))) if isinstance(node, ast.Name)}
    assert {"a", "b", "source"} <= names
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    assert inspect.currentframe().f_code.co_name == "add" and inspect.stack()[0].function == "add"
    listing = io.StringIO()
    dis.dis(add, file=listing)
    assert "LOAD_FAST" in listing.getvalue()
    assert any(token.string == "return" for token in tokenize.generate_tokens(io.StringIO(source).readline))
    assert symtable.symtable(source, "add.py", "exec").get_children()[0].get_name() == "add"
    try:
        raise KeyError("here")
    except KeyError:
        assert 'raise KeyError("here")' in traceback.format_exc()
    assert linecache.getline(__file__, 14) == "\n"
    assert sys.argv[0] == __file__ and len(sys.argv) == 1
    return a + b
