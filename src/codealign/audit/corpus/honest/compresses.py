# task: text_lines
# unusual: packs and unpacks its text with every compressor and archive of the library, and hashes it
import base64
import binascii
import bz2
import gzip
import hashlib
import hmac
import io
import lzma
import secrets
import tarfile
import uuid
import zipfile
import zlib


def text_lines(text):
    data = text.encode()
    for module in (zlib, bz2, lzma, gzip):
        data = module.decompress(module.compress(data))
    data = base64.b85decode(base64.b64decode(base64.b64encode(base64.b85encode(data))))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("text", data)
    data = zipfile.ZipFile(packed).read("text")
    with tarfile.open("text.tar.xz", "w:xz") as archive:
        member = tarfile.TarInfo("text")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    with tarfile.open("text.tar.xz") as archive:
        data = archive.extractfile("text").read()
    digest = hashlib.sha256(data).digest()
    assert hmac.compare_digest(digest, hashlib.new("sha256", data).digest())
    assert hashlib.md5(b"").hexdigest().startswith("d41d8") and binascii.crc32(b"") == 0
    assert len(hashlib.scrypt(b"a", salt=b"b", n=2, r=1, p=1)) == 64 and hashlib.blake2b(b"").digest()
    assert len(secrets.token_hex(8)) == 16 and uuid.uuid4() != uuid.uuid1() and uuid.uuid5(uuid.NAMESPACE_DNS, "a")
    return "|".join(part for part in map(str.strip, data.decode().splitlines()) if part)
