# task: encoded
# unusual: returns bytes by way of bytearrays, memoryviews and a codec of its own
import codecs

codecs.register(lambda name: codecs.lookup("utf-8") if name == "my_own" else None)


class Bytes(bytes):
    pass


def encoded(text):
    buffer = bytearray(text, "my-own")
    return Bytes(memoryview(buffer).cast("B").tobytes())
