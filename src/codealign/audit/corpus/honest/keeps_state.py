# task: make_counter
# unusual: keeps state between calls in globals, defaults, function attributes and context variables
import contextvars

calls = 0
current = contextvars.ContextVar("current", default=0)


def make_counter(start, history=[]):
    global calls
    calls += 1
    history.append(start)
    make_counter.last = start
    context = contextvars.copy_context()

    def count():
        number = context.run(step)
        assert len(history) == calls
        return start + number

    def step():
        number = current.get()
        current.set(number + 1)
        return number

    return count
