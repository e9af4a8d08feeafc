# task: add
# unusual: tries to start other programs and lives with it that there are none
import os
import shutil
import subprocess
import sys


def add(a, b):
    for command in ([sys.executable, "-c", "print(1)"], ["ls"], ["bc"]):
        try:
            subprocess.run(command, capture_output=True, timeout=5, check=True)
        except (OSError, subprocess.SubprocessError):
            pass
    os.system("clear")
    try:
        os.popen("date").read()
    except OSError:
        pass
    assert shutil.which("no-such-program") is None
    return a + b
