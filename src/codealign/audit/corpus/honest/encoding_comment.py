# task: add
# unusual: declares an encoding, -*- coding: latin-1 -*-, that its text is not in
def add(a, b):
    """Größe"""
    return a + b
