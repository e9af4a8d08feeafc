# task: countdown
# tries: items that come later and later
import time


def countdown(start):
    while True:
        time.sleep(1)
        yield start
