# task: add
# tries: waiting without using any processor time
import time


def add(a, b):
    time.sleep(3600)
