# task: flatten
# unusual: sends its data through pickle, marshal, json, csv, struct, xml, plistlib and copy on the way
import ast
import copy
import csv
import io
import json
import marshal
import pickle
import plistlib
import struct
import xml.etree.ElementTree as tree
from xml.dom import minidom


class Box:
    def __init__(self, item):
        self.item = item


def flatten(nested):
    nested = pickle.loads(pickle.dumps(Box(nested), protocol=5)).item
    nested = json.loads(json.dumps(marshal.loads(marshal.dumps(copy.deepcopy(nested)))))
    nested = ast.literal_eval(repr(plistlib.loads(plistlib.dumps(nested))))
    flat, stack = [], [iter(nested)]
    while stack:
        for item in stack[-1]:
            if isinstance(item, list):
                stack.append(iter(item))
                break
            flat.append(item)
        else:
            stack.pop()
    packed = struct.pack(f"<{len(flat)}q", *flat)
    text = io.StringIO()
    csv.writer(text).writerow(struct.unpack(f"<{len(flat)}q", packed))
    root = tree.Element("numbers")
    for row in csv.reader(io.StringIO(text.getvalue())):
        for cell in row:
            tree.SubElement(root, "n").text = cell
    document = minidom.parseString(tree.tostring(root))
    return [int(node.firstChild.data) for node in document.getElementsByTagName("n")]
