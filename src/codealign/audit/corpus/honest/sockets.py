# task: text_lines
# unusual: talks to itself over socket pairs and a path socket, and tries the network
import os
import selectors
import socket
import threading
import urllib.request


def text_lines(text):
    left, right = socket.socketpair()
    with left, right:
        left.sendall(text.encode() + b"\0")
        data = b""
        while not data.endswith(b"\0"):
            data += right.recv(100)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind("door")
    server.listen()

    def serve():
        connection, _ = server.accept()
        with connection:
            connection.sendall(connection.recv(100)[::-1])

    thread = threading.Thread(target=serve)
    thread.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("door")
        client.sendall(b"abc")
        assert client.recv(100) == b"cba"
    thread.join()
    server.close()
    os.unlink("door")
    with selectors.DefaultSelector() as selector:
        assert selector.get_map() is not None
    for attempt in (
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=0.1),
        lambda: urllib.request.urlopen("http://localhost:9/", timeout=0.1),
        lambda: socket.gethostbyname("example.invalid"),
    ):
        try:
            attempt()
        except OSError:
            pass
    lines = (line.strip() for line in data[:-1].decode().splitlines())
    return "|".join(line for line in lines if line)
