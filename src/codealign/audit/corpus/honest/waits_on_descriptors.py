# task: add
# unusual: pipes, select, poll, epoll, eventfd, memfd, timerless waits, non-blocking reads and sendfile
import os
import select


def add(a, b):
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        os.read(reader, 1)
    except BlockingIOError:
        pass
    os.writev(writer, [str(a).encode(), b" ", str(b).encode()])
    assert select.select([reader], [], [], 5)[0] == [reader]
    with select.epoll() as epoll:
        epoll.register(reader, select.EPOLLIN)
        assert epoll.poll(5)
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    assert poll.poll(5000)
    counter = os.eventfd(3)
    assert os.eventfd_read(counter) == 3
    memory = os.memfd_create("kept")
    os.write(memory, os.read(reader, 100))
    copy = os.memfd_create("copy")
    os.sendfile(copy, memory, 0, 100)
    text = os.pread(copy, 100, 0)
    duplicate = os.dup(copy)
    for fd in (reader, writer, counter, memory, copy, duplicate):
        os.close(fd)
    return sum(map(int, text.split()))
