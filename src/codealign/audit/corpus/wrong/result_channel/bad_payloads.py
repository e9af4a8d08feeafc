# task: add
# tries: every tag of the codec with a payload that does not fit
import json
import os

TAGS = ["i", "f", "t", "s", "S", "d", "b", "B", "c", "r", "sl", "q", "D", "Q", "dt", "td", "vi"]


def say(reply):
    body = json.dumps(reply).encode()
    os.write(3, len(body).to_bytes(4, "big") + body)


say(["ready", {"add": {"h": {"id": 0, "type": "function"}}}])
for tag in TAGS:
    data = os.read(3, 65536)
    if not data:
        break
    say([json.loads(data[4:])[0], "value", {tag: [[{}], {"i": "zz"}, None, -1e999]}])
