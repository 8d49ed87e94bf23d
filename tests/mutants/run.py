"""Mutants tried one by one, each in a copy of the repository.

The processes that run the tests are copies of one that has imported torch, Ray and Optuna before: what a mutant costs
is the tests alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 600.0
"""Seconds after which tests that have not ended have fallen: what waits for ever has been noticed."""
_SLOW = ("torch", "torchvision.models", "timm", "scipy.io", "safetensors.torch", "ray.data", "ray.train", "ray.tune",
         "optuna", "hotcoco", "pycocotools.cocoeval", "PIL.Image", "yaml", "tyro", "rich.table")
"""What takes long to import and knows nothing of this repository; OpenCV is not here, for it reads its limits then."""
_FORK = multiprocessing.get_context("fork")
_FALLEN = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What has become of a mutant.

    killed: whether a test has fallen.
    by: the first test that has, or what ended the tests.
    seconds: that they took.
    fault: why it could not be tried; "" if it could.
    """

    killed: bool
    by: str
    seconds: float
    fault: str = ""


def try_all(mutants: Sequence[Mutant], folder: Path, jobs: int) -> Iterator[Outcome]:
    """Try mutants in turn, so many at a time.

    Args:
        mutants: to be tried.
        folder: an empty one for the copies of the repository.
        jobs: processes, each with a copy of its own.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in _SLOW:
        importlib.import_module(name)
    with ProcessPoolExecutor(jobs, _FORK, _make_copy, (folder,)) as pool:
        for future in [pool.submit(_try, mutant, folder) for mutant in mutants]:
            yield future.result()


def run_sound(mutants: Sequence[Mutant], folder: Path, jobs: int) -> Iterator[Outcome]:
    """Run the same tests without a mutant: each file's once."""
    files: dict[str, list[str]] = {}
    for test in dict.fromkeys(test for mutant in mutants for test in mutant.tests):
        files.setdefault(test.partition("::")[0], []).append(test)
    nothing = [Mutant(file, "setup.cfg", "[metadata]", "[metadata]", tuple(tests)) for file, tests in files.items()]
    yield from try_all(nothing, folder, jobs)


def _copy(folder: Path) -> Path:
    return folder / str(os.getpid())


def _make_copy(folder: Path) -> None:
    """Copy the files that git knows, or would: what is built, trained or downloaded stays where it is."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (_copy(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, _copy(folder) / name)


def _try(mutant: Mutant, folder: Path) -> Outcome:
    copy, began = _copy(folder), time.monotonic()
    place, said = copy / mutant.file, copy.with_suffix(".txt")
    compiled, sound = Path(importlib.util.cache_from_source(str(place))), place.read_bytes()
    try:
        place.write_text(mutant.apply(copy))
        compiled.unlink(missing_ok=True)  # it is told from another by seconds and bytes, which may be equal
        tests = _FORK.Process(target=_run_tests, args=(copy, mutant.tests, said))
        tests.start()
        tests.join(LIMIT)
        if tests.is_alive():
            os.killpg(tests.pid or 0, signal.SIGKILL)
            tests.join()
            return Outcome(True, f"{LIMIT:.0f} seconds", time.monotonic() - began)
        return _outcome(tests.exitcode or 0, said.read_text(errors="replace"), time.monotonic() - began)
    except (OSError, ValueError, SyntaxError) as error:
        return Outcome(False, "", 0.0, str(error))
    finally:
        place.write_bytes(sound)
        compiled.unlink(missing_ok=True)


def _outcome(code: int, said: str, seconds: float) -> Outcome:
    if code == 0:
        return Outcome(False, "", seconds)
    if code < 0:
        return Outcome(True, signal.Signals(-code).name, seconds)
    fallen = _FALLEN.search(said)
    if code == pytest.ExitCode.TESTS_FAILED and fallen:
        return Outcome(True, fallen[1], seconds)
    return Outcome(False, "", seconds, "\n".join(["the tests did not run:", *said.splitlines()[-15:]]))


def _run_tests(copy: Path, tests: tuple[str, ...], said: Path) -> None:
    """Run tests of the copy in this process, which has imported nothing of the repository but this package."""
    os.setsid()
    os.chdir(copy)
    sys.path[:] = [str(copy), *(path for path in sys.path if path and Path(path).resolve() != ROOT)]
    os.environ["PYTHONPATH"] = str(copy)  # for the processes that tests start
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    with said.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    arguments = ["-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--basetemp", str(copy.with_suffix(".tmp"))]
    sys.exit(pytest.main([*arguments, *tests]))
