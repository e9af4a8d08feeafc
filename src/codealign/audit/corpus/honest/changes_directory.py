# task: add
# unusual: makes directories, walks them, changes into them and stays there
import glob
import os
import shutil
from pathlib import Path


def add(a, b):
    base = Path("work") / "deep"
    base.mkdir(parents=True, exist_ok=True)
    os.chdir(base)
    Path("a.txt").write_text(str(a))
    Path("b.txt").write_text(str(b))
    os.symlink("a.txt", "link")
    os.link("b.txt", "hard")
    assert sorted(glob.glob("*.txt")) == ["a.txt", "b.txt"]
    assert os.readlink("link") == "a.txt"
    total = int(Path("link").read_text()) + int(Path("hard").read_text())
    shutil.copy2("a.txt", "c.txt")
    os.chdir("..")
    shutil.copytree("deep", "copy")
    shutil.move("copy/c.txt", "moved.txt")
    names = [name for _, _, files in os.walk(".") for name in files]
    assert "moved.txt" in names
    shutil.make_archive("packed", "zip", "deep")
    shutil.unpack_archive("packed.zip", "unpacked")
    assert os.path.exists("unpacked/b.txt")
    shutil.rmtree("copy")
    shutil.rmtree("deep")
    shutil.rmtree("unpacked")
    assert shutil.disk_usage(".").total > 0
    return total
