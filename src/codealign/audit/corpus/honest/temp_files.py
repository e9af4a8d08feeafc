# task: word_counts
# unusual: keeps its text in temporary files of every kind and cleans up after itself
import os
import tempfile


def word_counts(text):
    counts = {}
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "words.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as copy:
            copy.write(open(path, encoding="utf-8").read())
        with open(copy.name) as file:
            for line in file:
                for word in line.split():
                    counts[word] = counts.get(word, 0) + 1
        os.remove(copy.name)
        os.rename(path, path + ".old")
        assert os.listdir(place) == ["words.txt.old"]
    assert not os.path.exists(place)
    fd, name = tempfile.mkstemp()
    os.write(fd, b"x")
    os.close(fd)
    assert os.path.getsize(name) == 1
    os.unlink(name)
    with tempfile.TemporaryFile() as file, tempfile.SpooledTemporaryFile(max_size=4) as spool:
        file.write(b"hello")
        spool.write(b"hello, spool")
        file.seek(0)
        assert file.read() == b"hello"
    return counts
