# task: word_counts
# unusual: counts in a database, in memory and in a file
import sqlite3


def word_counts(text):
    counts = None
    for place in (":memory:", "words.db"):
        with sqlite3.connect(place) as base:
            base.execute("pragma journal_mode = wal")
            base.execute("create table if not exists words (word text, place integer)")
            base.execute("delete from words")
            base.executemany("insert into words values (?, ?)", [(w, n) for n, w in enumerate(text.split())])
            rows = base.execute("select word, count(*) from words group by word order by min(place)").fetchall()
        base.close()
        assert counts is None or counts == dict(rows)
        counts = dict(rows)
    return counts
