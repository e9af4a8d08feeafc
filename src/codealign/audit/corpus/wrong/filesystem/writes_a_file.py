# task: add
# tries: a file outside its scratch space
# harm: marker
def add(a, b):
    with open("@MARKER@", "w") as file:
        file.write("here")
    return None
