# task: Stack
# unusual: a class made by type(), whose pop raises through finally, suppress, ExitStack and a context manager
import contextlib


@contextlib.contextmanager
def as_index_error():
    try:
        yield
    except LookupError as error:
        raise IndexError(*error.args) from None
    finally:
        with contextlib.suppress(ZeroDivisionError):
            1 / 0


def _pop(self):
    with contextlib.ExitStack() as stack:
        stack.enter_context(as_index_error())
        stack.callback(len, "x")
        if not self.items:
            raise KeyError("empty")
        return self.items.pop()


Stack = type(
    "Stack",
    (object,),
    {
        "__init__": lambda self: setattr(self, "items", []),
        "push": lambda self, item: self.items.append(item),
        "pop": _pop,
        "size": lambda self: self.items.__len__(),
    },
)
