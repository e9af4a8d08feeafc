# task: running_mean
# unusual: uses threads, locks, queues, events, barriers, timers, thread-local storage and leaves a daemon running
import queue
import threading
import time

threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
local = threading.local()


def running_mean(values):
    tasks, answers, lock, done = queue.Queue(), {}, threading.Lock(), threading.Event()

    def work():
        local.count = 0
        while (task := tasks.get()) is not None:
            index, part = task
            with lock:
                answers[index] = sum(part) / len(part)
            local.count += 1
            tasks.task_done()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for index in range(len(values)):
        tasks.put((index, values[: index + 1]))
    tasks.join()
    for _ in workers:
        tasks.put(None)
    for worker in workers:
        worker.join()
    threading.Timer(0.001, done.set).start()
    assert done.wait(5)
    barrier = threading.Barrier(3)
    for _ in range(2):
        threading.Thread(target=barrier.wait).start()
    barrier.wait(5)
    with threading.Condition(), threading.Semaphore(2):
        pass
    return [float(answers[index]) for index in range(len(values))]
