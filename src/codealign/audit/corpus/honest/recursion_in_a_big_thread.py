# task: add
# unusual: solves it in a thread with a stack of 64 MB, as contest programs do
import sys
import threading

sys.setrecursionlimit(10**6)
threading.stack_size(64 * 1024 * 1024)


def add(a, b):
    answers = []

    def climb(n):
        return b if n == 0 else 1 + climb(n - 1)

    def main():
        answers.append(climb(50_000) - 50_000 + a)

    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
    return answers[0]
