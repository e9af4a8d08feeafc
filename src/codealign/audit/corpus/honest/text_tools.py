# task: text_lines
# unusual: goes through string templates, textwrap, difflib, unicodedata, html, shlex, codecs and large patterns
import codecs
import difflib
import html
import io
import re
import shlex
import string
import textwrap
import unicodedata

WORDS = re.compile("|".join(f"word{n}" for n in range(2000)) + "|(?P<text>[^\n]+)", re.VERBOSE | re.UNICODE)


def text_lines(text):
    text = html.unescape(html.escape(text)).replace("\r\n", "\n")
    text = codecs.decode(codecs.encode(text, "utf-16"), "utf-16")
    lines = [line.strip() for line in io.StringIO(text) if line.strip()]
    assert not list(difflib.unified_diff(lines, lines)) and shlex.split("a 'b c'") == ["a", "b c"]
    assert WORDS.match("word1999").group() and textwrap.fill("a b", 2) == "a\nb"
    assert unicodedata.normalize("NFC", "e\u0301") == "é" and string.Template("$x").substitute(x=1) == "1"
    return string.Template("$lines").substitute(lines="|".join(lines))
