# task: running_mean
# unusual: passes numbers through named shared memory and shared lists of multiprocessing
from multiprocessing import shared_memory


def running_mean(values):
    if not values:
        return []
    numbers = shared_memory.ShareableList([float(value) for value in values])
    try:
        total, means = 0.0, []
        for count, value in enumerate(shared_memory.ShareableList(name=numbers.shm.name), 1):
            total += value
            means.append(total / count)
        return means
    finally:
        numbers.shm.close()
        numbers.shm.unlink()
