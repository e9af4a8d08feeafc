# task: add
# tries: waiting before there is anything to call
import time

time.sleep(3600)
