# task: running_mean
# unusual: generators and coroutines driven by hand with send, throw and close, without an event loop
import contextlib
import types


def averager():
    total, count, mean = 0.0, 0, None
    while True:
        try:
            value = yield mean
        except LookupError:
            total, count = 0.0, 0
            mean = None
            continue
        total += value
        count += 1
        mean = total / count


@types.coroutine
def suspend(value):
    return (yield value)


async def asks():
    return await suspend(1) + await suspend(2)


def run(coroutine):
    value, answers = None, []
    try:
        while True:
            value = coroutine.send(value)
            answers.append(value)
    except StopIteration as stop:
        return stop.value, answers


def running_mean(values):
    assert run(asks()) == (3, [1, 2])
    with contextlib.closing(averager()) as means:
        next(means)
        means.send(7)
        means.throw(LookupError)
        return [means.send(value) for value in values]
