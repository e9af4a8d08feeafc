# task: running_mean
# unusual: runs an event loop: tasks, queues, locks, timeouts, streams, threads
import asyncio


async def mean(values):
    await asyncio.sleep(0)
    return sum(values) / len(values)


async def chat():
    import socket

    left, right = socket.socketpair()
    reader, kept = await asyncio.open_connection(sock=left)
    _, writer = await asyncio.open_connection(sock=right)
    writer.write(b"hello\n")
    await writer.drain()
    line = await reader.readline()
    writer.close()
    kept.close()
    return line


async def main(values):
    lock, queue = asyncio.Lock(), asyncio.Queue()
    async with lock:
        await queue.put(1)
    assert await asyncio.wait_for(queue.get(), 5) == 1
    assert await chat() == b"hello\n"
    assert await asyncio.to_thread(max, 1, 2) == 2
    async with asyncio.timeout(5):
        return await asyncio.gather(*(mean(values[: n + 1]) for n in range(len(values))))


def running_mean(values):
    return list(asyncio.run(main(values)))
