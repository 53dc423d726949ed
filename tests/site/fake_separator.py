"""A program with a command line, as a separator has: SONG OUT HOW [GATE]."""

import os
import shutil
import sys
import time
from pathlib import Path

song, out, how = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
print("loading", flush=True)
print("\r 40%|####      |", end="", flush=True)
if (
    how == "wait"
):  # until there is a file of this name; beside it, whoever wants to can see who waits
    gate = Path(sys.argv[4])
    gate.with_suffix(".new").write_text(str(os.getpid()))
    gate.with_suffix(".new").replace(gate.with_suffix(".pid"))
    while not gate.exists():
        time.sleep(0.05)
if how == "fail":
    sys.exit("no such net")
if how != "nothing":
    (out / "net" / "song").mkdir(parents=True)
    shutil.copy(song, out / "net" / "song" / "vocals.wav")
    shutil.copy(song, out / "net" / "song" / "other.wav")
if how == "short":
    with (out / "net" / "song" / "other.wav").open("r+b") as file:
        file.truncate(2000)
print("\r100%|##########|", flush=True)
