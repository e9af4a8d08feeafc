# task: add
# unusual: uses Pool, Process, Queue, Pipe, Value, Array, Lock, Event and Manager of multiprocessing
import multiprocessing as mp


def work(queue, value, array, lock, a, b):
    with lock:
        value.value += a
        array[0] = b
    queue.put(a + b)


def square(n):
    return n * n


def add(a, b):
    queue, value, array, lock = mp.Queue(), mp.Value("i", 0), mp.Array("d", [0.0, 0.0]), mp.Lock()
    process = mp.Process(target=work, args=(queue, value, array, lock, a, b))
    process.start()
    total = queue.get(timeout=10)
    process.join()
    assert process.exitcode == 0 and value.value == a and array[0] == b
    ours, theirs = mp.Pipe()
    other = mp.Process(target=theirs.send, args=([1, 2, 3],))
    other.start()
    assert ours.recv() == [1, 2, 3]
    other.join()
    with mp.Pool(3) as pool:
        assert pool.map(square, range(10)) == [n * n for n in range(10)]
        assert pool.apply_async(square, (7,)).get(5) == 49
    if (a, b) == (1, 2):
        with mp.Manager() as manager:
            shared = manager.dict()
            shared["total"] = total
            assert dict(shared) == {"total": 3}
    assert not mp.active_children()
    return total
