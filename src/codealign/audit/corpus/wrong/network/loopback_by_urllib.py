# task: add
# tries: a request as any program would make it
# harm: loopback
import urllib.request


def add(a, b):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open("http://127.0.0.1:@PORT@/", timeout=0.5)
    return None
