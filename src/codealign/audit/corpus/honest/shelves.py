# task: word_counts
# unusual: counts in a shelf, a dbm file, a config file and a lock file, with file locks
import configparser
import dbm.dumb
import fcntl
import os
import shelve


def word_counts(text):
    with open("lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with shelve.open("shelf", "n", writeback=True) as shelf:
            for word in text.split():
                shelf[word] = shelf.get(word, 0) + 1
            counts = {word: shelf[word] for word in dict.fromkeys(text.split())}
    with dbm.dumb.open("plain", "n") as base:
        base["k"] = "v"
        assert base["k"] == b"v"
    config = configparser.ConfigParser()
    config["words"] = {word: str(count) for word, count in counts.items()}
    with open("words.ini", "w") as file:
        config.write(file)
    os.mkfifo("pipe")
    os.remove("pipe")
    return counts
