# task: add
# unusual: imports packages that may not be there, and modules with surprises
import contextlib
import io

packages = {}
for name in ("numpy", "pandas", "torch", "scipy", "sklearn", "tkinter", "turtle", "requests", "gmpy2", "sortedcontainers"):
    try:
        packages[name] = __import__(name)
    except ImportError:
        packages[name] = None
with contextlib.redirect_stdout(io.StringIO()) as poem:
    import this
assert "Beautiful" in poem.getvalue() or True
try:
    import antigravity
except Exception:
    pass
import __hello__
import webbrowser


def add(a, b):
    return a + b
