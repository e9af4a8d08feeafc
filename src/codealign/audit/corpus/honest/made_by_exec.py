# task: add
# unusual: the function is compiled from text built at run time, in a namespace of its own
import types

template = "def {name}({left}, {right}):\n    return {left} {operator} {right}\n"
scope = {"__name__": "made"}
exec(compile(template.format(name="add", left="a", right="b", operator="+"), "<made>", "exec"), scope)
made = types.FunctionType(scope["add"].__code__, {}, "add", None, None)
assert eval("made(1, 2)", {"made": made}) == 3
globals()["add"] = made
