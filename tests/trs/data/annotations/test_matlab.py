"""Matlab files: what SciPy wrote is read as SciPy reads it; what is damaged is refused before SciPy crashes on it."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from trs.data.annotations.matlab import read_matlab
from trs.errors import InputError

ROOT = Path(__file__).resolve().parents[4]
VALUES: dict[str, Any] = {
    "numbers": np.arange(24.0).reshape(2, 3, 4), "whole": np.arange(5, dtype=np.int16), "bytes": np.uint8([[7]]),
    "complex": np.array([1 + 2j, 3j]), "text": "nose", "letters": "é\N{SNOWMAN}", "texts": ["a", "bcd"], "yes": True,
    "nothing": np.zeros((0, 0)), "mixed": np.array([1.5, "x", np.zeros(3)], dtype=object),
    "people": {"name": "a", "points": [{"x": 1.0, "id": 3}, {"x": 2.5, "id": 0}], "none": []}}


def as_matlab(**options: Any) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, VALUES, **options)
    return stream.getvalue()


VALUES_READ = scipy.io.loadmat(io.BytesIO(as_matlab()), struct_as_record=False, squeeze_me=True)


def plain(value: Any) -> Any:
    """Structures as dicts, arrays as lists, each with its type."""
    if hasattr(value, "_fieldnames"):
        return {name: plain(getattr(value, name)) for name in value._fieldnames}
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, [plain(one) for one in value.ravel().tolist()]]
    return value


def refusal(path: Path, name: str = "people") -> str:
    with pytest.raises(InputError) as refused:
        read_matlab(path, name)
    assert str(refused.value).isprintable()
    return str(refused.value)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("name", VALUES)
def test_a_whole_file_is_read_as_scipy_reads_it(tmp_path: Path, name: str, compressed: bool) -> None:
    content = as_matlab(do_compression=compressed)
    (tmp_path / "a.mat").write_bytes(content)
    expected = scipy.io.loadmat(io.BytesIO(content), struct_as_record=False, squeeze_me=True)[name]
    assert plain(read_matlab(tmp_path / "a.mat", name)) == plain(expected)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "a.mat"
    assert refusal(missing).startswith(f"there is no file {missing}; check its name and its folder")
    (tmp_path / "a.mat").write_bytes(as_matlab())
    assert "cannot read head from" in (said := refusal(tmp_path / "a.mat", "head")) and "there is no 'head'" in said


@pytest.mark.parametrize("compressed", [True, False])
def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path, compressed: bool) -> None:
    content, path = as_matlab(do_compression=compressed), tmp_path / "a.mat"
    path.write_bytes(content)
    whole = plain(read_matlab(path, "people"))
    read = 0
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        try:
            assert plain(read_matlab(path, "people")) == whole
            read += 1
        except InputError as error:
            said = str(error).removeprefix(f"cannot read people from {path} as a Matlab file: ")
            assert said.startswith(("it is ", "there is no 'people'")), "SciPy stumbled over it"
    assert not read  # it is the last variable


def test_compressed_data_without_their_checksum_are_truncated(tmp_path: Path) -> None:
    """The length of the element says nothing of what is missing in it."""
    content, start, end = as_matlab(do_compression=True), 0, 128
    while end < len(content):
        start, (length,) = end + 4, struct.unpack_from("<I", content, end + 4)
        end = start + 4 + length
    (tmp_path / "a.mat").write_bytes(content[:start] + struct.pack("<I", length - 4) + content[start + 4:-4])
    assert refusal(tmp_path / "a.mat").endswith("as a Matlab file: it is truncated")


def test_one_flipped_bit_of_compressed_data_is_found(tmp_path: Path) -> None:
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"people": VALUES["people"]}, do_compression=True)
    content, path, harmless = stream.getvalue(), tmp_path / "a.mat", 0
    for place in range(128 + 8, len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1:])
        try:
            assert plain(read_matlab(path, "people")) == plain(VALUES_READ["people"])  # bits that nobody reads
            harmless += 1
        except InputError as error:
            assert "Matlab file: it is " in str(error)
    assert harmless < 5


@pytest.mark.parametrize(("old", "new"), [
    # The type of a number's data is none, or that of a matrix; what follows are its length and 1.0.
    (struct.pack("<IId", 9, 8, 1.0), struct.pack("<IId", 41, 8, 1.0)),
    (struct.pack("<IId", 9, 8, 1.0), struct.pack("<IId", 8, 8, 1.0)),
    (struct.pack("<IId", 9, 8, 1.0), struct.pack("<IId", 14, 8, 1.0)),
    (struct.pack("<IId", 9, 8, 1.0), struct.pack("<IId", 9, 0x7FFFFFFF, 1.0)),
    (struct.pack("<IId", 9, 8, 1.0), struct.pack("<IId", 9, 0, 1.0)),
    (struct.pack("<IIII", 5, 8, 1, 2), struct.pack("<IIII", 5, 8, 1, 3)),
    (struct.pack("<IIII", 5, 8, 1, 2), struct.pack("<IIII", 5, 8, 1, 0x80000000)),
    (struct.pack("<IIII", 5, 8, 1, 2), struct.pack("<IIII", 6, 8, 1, 2)),
    (struct.pack("<II", 6, 8) + b"\x02", struct.pack("<II", 6, 8) + b"\x05"),
    (struct.pack("<II", 6, 8) + b"\x02", struct.pack("<II", 6, 8) + b"\x11"),
    (struct.pack("<II", 6, 8) + b"\x02", struct.pack("<II", 6, 8) + b"\x01")])
def test_damage_to_the_tags_is_found_before_scipy_meets_it(tmp_path: Path, old: bytes, new: bytes) -> None:
    """In a process of its own, since SciPy's reader ends it."""
    content = as_matlab()
    assert content.count(old)
    path = tmp_path / "a.mat"
    path.write_bytes(content[:(at := content.rindex(old))] + new + content[at + len(new):])
    program = ("import sys\nfrom pathlib import Path\nfrom trs.data.annotations.matlab import read_matlab\n"
               "try:\n    read_matlab(Path(sys.argv[1]), 'people')\nexcept ValueError as error:\n    print(error)\n")
    ended = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True,
                           timeout=60)
    assert ended.returncode == 0 and "as a Matlab file: it " in ended.stdout, (ended.returncode, ended.stderr)


@pytest.mark.parametrize("content", [b"", b"\0" * 200, b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\0\2IM" + b"\x89HDF\r\n",
                                     b"<!DOCTYPE html>" * 20], ids=["empty", "zeros", "version 7.3", "a page"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    assert refusal(tmp_path / "a.mat").endswith("as a Matlab file: it is none of version 5 to 7")


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mat")
    assert refusal(tmp_path / "a.mat").endswith("is not a regular file")
