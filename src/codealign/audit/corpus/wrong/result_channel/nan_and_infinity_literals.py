# task: mean
# tries: JSON numbers that JSON does not have
import json
import os


def say(body):
    os.write(3, len(body).to_bytes(4, "big") + body)


say(b'["ready", {"mean": {"h": {"id": 0, "type": "function"}}}]')
while data := os.read(3, 65536):
    say(b'[%d, "value", NaN]' % json.loads(data[4:])[0])
