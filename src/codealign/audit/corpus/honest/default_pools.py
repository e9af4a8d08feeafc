# task: word_counts
# unusual: uses thread and process pools of default size, as many workers as there are cores
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed


def count_line(line):
    return Counter(line.split())


def word_counts(text):
    total = Counter()
    with ProcessPoolExecutor() as pool:
        for part in pool.map(count_line, text.split("\n")):
            total += part
    with ThreadPoolExecutor() as pool:
        again = [future.result() for future in as_completed([pool.submit(count_line, line) for line in text.split("\n")])]
    assert sum(again, Counter()) == total
    return dict(total)
