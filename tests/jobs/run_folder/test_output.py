"""What is printed when nobody reads it: real pipes, a real terminal, a device that is always full."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
from pathlib import Path
from jobs.run_folder.output import outlive_readers
with outlive_readers(Path(sys.argv[1])):
    print("first", flush=True)
    sys.stdin.readline()  # the reader leaves
    for number in range(3):
        print(number)
    print("to the other one", file=sys.stderr)
"""


def start(folder: Path, output: int | IO[bytes], unbuffered: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], cwd=ROOT, stdin=subprocess.PIPE,
                            stdout=output, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": unbuffered})


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_nobody_reads_any_more_is_in_the_folder(tmp_path: Path, unbuffered: str) -> None:
    process = start(tmp_path, subprocess.PIPE, unbuffered)
    assert process.stdout is not None and process.stdout.readline() == b"first\n"
    process.stdout.close()
    _, said = process.communicate(b"\n")
    assert (process.returncode, said) == (0, b"to the other one\n")
    assert (tmp_path / "output.txt").read_text() == "0\n1\n2\n"


def test_a_log_on_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        process = start(tmp_path, full)
    _, said = process.communicate(b"\n")
    assert (process.returncode, said) == (0, b"to the other one\n")
    assert (tmp_path / "output.txt").read_text() == "first\n0\n1\n2\n"


def test_a_terminal_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = start(tmp_path, theirs)
    os.close(theirs)
    assert os.read(ours, 100).startswith(b"first")
    os.close(ours)
    _, said = process.communicate(b"\n")
    assert (process.returncode, said) == (0, b"to the other one\n")
    assert (tmp_path / "output.txt").read_text() == "0\n1\n2\n"


def test_without_a_place_for_it_the_rest_is_dropped(tmp_path: Path) -> None:
    process = start(tmp_path / "absent", subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"first\n"
    process.stdout.close()
    _, said = process.communicate(b"\n")
    assert (process.returncode, said) == (0, b"to the other one\n")


@pytest.mark.parametrize("name", ["isatty", "fileno", "encoding"])
def test_a_stream_is_asked_what_it_is(tmp_path: Path, name: str) -> None:
    from jobs.run_folder.output import Output

    with (tmp_path / "log").open("w", encoding="utf-8") as stream:
        assert getattr(Output(stream, tmp_path / "output.txt"), name) == getattr(stream, name)
