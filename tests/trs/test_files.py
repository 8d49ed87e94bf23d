"""Files and folders appear whole or not at all, and what never ends is not read."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from trs.files import (
    parse_json,
    read_bytes,
    read_json,
    read_text,
    try_to_write,
    whole_file,
    whole_folder,
    write_bytes,
    write_text,
)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    write_text(path, "new")
    write_bytes(tmp_path / "b", b"\x00\x01")
    assert path.read_text() == "new" and (tmp_path / "b").read_bytes() == b"\x00\x01"
    assert names(tmp_path) == {"a.txt", "b"}


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(KeyError), whole_file(path) as partial:
        assert partial.parent == tmp_path and partial.suffix == ".json"
        partial.write_text("half")
        raise KeyError
    assert path.read_text() == "old" and names(tmp_path) == {"a.json"}


def test_a_killed_process_leaves_the_old_content(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.txt", tmp_path / "folder"
    write_text(path, "old")
    program = ("import os, signal, sys\nfrom pathlib import Path\nfrom trs.files import whole_file, whole_folder\n"
               "file, folder = map(Path, sys.argv[1:])\n"
               "with whole_file(file) as partial, whole_folder(folder) as unfinished:\n"
               "    partial.write_text('half')\n    (unfinished / 'one').write_text('half')\n"
               "    os.kill(os.getpid(), signal.SIGKILL)\n")
    ended = subprocess.run([sys.executable, "-c", program, str(path), str(folder)], cwd=Path(__file__).parents[2])
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text() == "old" and not folder.exists()
    with whole_folder(folder) as unfinished:  # what the dead left does not stand in the way
        (unfinished / "one").write_text("whole")
    assert names(folder) == {"one"}


@pytest.mark.parametrize("name", [f"{'x' * 251}.jpg", f"{'あ' * 83}.json", "y" * 255])
def test_the_longest_names_are_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "whole")
    with whole_file(tmp_path / name) as partial:
        assert partial.name.endswith(Path(name).suffix)
        partial.write_text("again")
    assert (tmp_path / name).read_text() == "again" and names(tmp_path) == {name}


def test_whether_a_file_can_be_written_is_found_out_without_a_trace(tmp_path: Path) -> None:
    write_text(tmp_path / "there", "old")
    for name in ("there", "absent"):
        try_to_write(tmp_path / name)
    assert (tmp_path / "there").read_text() == "old" and names(tmp_path) == {"there"}
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, reason in (("pipe", "not a regular file"), (".", "not a regular file"), ("there/x", "Not a directory"),
                         ("none/x", "No such file"), ("z" * 256, "File name too long"), ("loop", "symbolic links")):
        with pytest.raises(OSError, match=reason):
            try_to_write(tmp_path / name)


def test_two_writers_of_a_file_do_not_meet(tmp_path: Path) -> None:
    path, both = tmp_path / "a.txt", threading.Barrier(2)

    def write(content: str) -> None:
        with whole_file(path) as partial:
            partial.write_text(content[: len(content) // 2])
            both.wait()
            partial.write_text(content)
            both.wait()

    writers = [threading.Thread(target=write, args=(letter * 1000,)) for letter in "xy"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_text() in ("x" * 1000, "y" * 1000) and names(tmp_path) == {"a.txt"}


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_that_exists_stays_or_is_replaced(tmp_path: Path, replace: bool) -> None:
    folder = tmp_path / "folder"
    with whole_folder(folder) as unfinished:
        (unfinished / "old").touch()
        assert not folder.exists()
    refused = contextlib.nullcontext() if replace else pytest.raises(FileExistsError, match=re.escape(str(folder)))
    with refused, whole_folder(folder, replace) as unfinished:
        (unfinished / "new").touch()
    assert names(folder) == {"new" if replace else "old"} and names(tmp_path) == {"folder"}


def test_a_failure_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyError), whole_folder(tmp_path / "folder") as unfinished:
        (unfinished / "half").touch()
        raise KeyError
    assert names(tmp_path) == set()


def test_of_two_that_replace_a_folder_at_once_one_wins(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with whole_folder(folder, replace=True) as slow:
        (slow / "slow").touch()
        with whole_folder(folder, replace=True) as quick:
            (quick / "quick").touch()
    assert names(folder) == {"slow"} and names(tmp_path) == {"folder"}


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf{\"\xc3\xa9\": 1}")
    assert read_text(path) == '{"\u00e9": 1}' and read_bytes(path, 12).startswith(b"\xef")
    assert read_json(path) == {"\u00e9": 1}
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none")


@pytest.mark.parametrize(("content", "sentence"), [
    ("{}".encode("utf-16"), "it is not UTF-8: byte 0 is 0xff"), (b'"\xe9"', "it is not UTF-8: byte 1 is 0xe9"),
    (b"", "it is not JSON: Expecting value: line 1 column 1 (char 0)"), (b"[1\0", "it is not JSON: "),
    (b"[" * 100_000 + b"]" * 100_000, "it is nested too deep"), (b'{"a":' * 100_000, "it is nested too deep"),
    (b"[-" + b"9" * 5000 + b"]", "an integer in it has thousands of digits"),
    (b'["\\ud83d"]', "a text in it holds half of a surrogate pair"),
    (b'{"\\uDFFF": 1}', "a text in it holds half of a surrogate pair")])
def test_what_is_no_json_is_told_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_json(path)


def test_json_may_hold_whole_surrogate_pairs_and_numbers_that_are_not_finite() -> None:
    assert parse_json(b'["\\ud83d\\ude00", "\\\\ud83d", Infinity]') == ["\U0001f600", "\\ud83d", math.inf]


def of_a_kind(kind: str, path: Path) -> Path:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(path))  # the whole name may be too long for a socket
    else:
        path.symlink_to(kind)
    return path


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "/dev/zero", "/dev/null", "a.json"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    """In a process of its own, since what is broken never ends."""
    path = of_a_kind(kind, tmp_path / "a.json")
    program = ("import sys\nfrom pathlib import Path\nfrom trs.files import read_text\n"
               "try:\n    read_text(Path(sys.argv[1]))\nexcept OSError as error:\n    print(error.strerror)\n")
    ended = subprocess.run([sys.executable, "-c", program, str(path)], cwd=Path(__file__).parents[2], timeout=60,
                           capture_output=True, text=True)
    assert ended.stdout == "is not a regular file\n", ended.stderr


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(3 << 30)
    program = ("import resource, sys\nfrom pathlib import Path\nfrom trs.files import read_bytes\n"
               "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
               "try:\n    read_bytes(Path(sys.argv[1]))\nexcept OSError as error:\n    print(error.errno)\n")
    ended = subprocess.run([sys.executable, "-c", program, str(path)], cwd=Path(__file__).parents[2], timeout=60,
                           capture_output=True, text=True)
    assert ended.stdout == f"{errno.EFBIG}\n", ended.stderr
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(OSError, match="is larger than 4 bytes"):
        read_bytes(path, 4)
