"""Many cases of a target in a process of its own, which may crash, hang, or take all memory that it is given."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random

from tests.fuzz.target import MakeTarget, Target

LONGEST = 10.0
"""Seconds of computing that a case may take."""
HANGS_AFTER = 300.0
"""Seconds without a new case, computing or not, after which the process is ended."""
HEARS_AFTER = 5.0
"""Seconds between two looks at a process that says nothing."""
_MEMORY = 12 << 30
"""Bytes of address space, beyond what the imports have taken: the machine stays usable whatever a case asks for."""
_EVERY = 200
_TEMPORARY = Path("/dev/shm")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Finding:
    """Cases that ended in the same way at the same place.

    cases: the first of them.
    files: of the first one.
    """

    said: str
    count: int = 0
    cases: list[int] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Tally:
    """What has come of the cases so far.

    findings: by the place where they were found.
    seconds: of computing.
    peak: bytes of memory that the process has taken at once.
    """

    done: int = 0
    accepted: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    seconds: float = 0.0
    peak: int = 0

    def find(self, place: str, said: str, case: int, files: dict[str, bytes] | None = None) -> None:
        found = self.findings.setdefault(place, Finding(said, files=files or {}))
        found.count += 1
        found.cases = [*found.cases, case][:5]


def random_of(seed: int, case: int) -> Random:
    """What a case is drawn from: any case can be made again without those before it."""
    return Random(f"{seed}:{case}")


def run(make: MakeTarget, seed: int, cases: range) -> Iterator[Tally]:
    """Run cases, one after the other; a process that ends before them is replaced, and its last case a finding.

    Yields: what has come of them, now and then and at the end.
    """
    context, tally, start = multiprocessing.get_context("spawn"), Tally(), cases.start
    while start < cases.stop:
        current, accepted = context.Value("q", start), context.Value("q", tally.accepted)
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(make, seed, range(start, cases.stop), current, accepted, there))
        process.start()
        there.close()
        for _ in _listen(here, process, current, tally):
            tally.done, tally.accepted = int(current.value) - cases.start, int(accepted.value)
            yield tally
        start = int(current.value) + 1
        tally.done, tally.accepted = start - cases.start, int(accepted.value)
    yield tally


def run_all(make: MakeTarget, seed: int, cases: range) -> Tally:
    """What has come of cases when all of them are made, see `run`."""
    tally = Tally()
    for found in run(make, seed, cases):
        tally = found
    return tally


def _listen(here: Connection, process: multiprocessing.process.BaseProcess, current: Synchronized[int], tally: Tally
            ) -> Iterator[None]:
    """Hear of a process until it ends, and find out why it does."""
    seen, since, began, hung = -1, time.monotonic(), False, False
    while True:
        try:
            if here.poll(HEARS_AFTER):
                kind, *values = here.recv()
                began = True
                if kind == "finding":
                    tally.find(*values)
                else:
                    tally.seconds, tally.peak = tally.seconds + values[0], max(tally.peak, values[1])
                    yield
        except EOFError:
            break
        if current.value != seen or not began:  # its imports may take a while
            seen, since = int(current.value), time.monotonic()
        elif time.monotonic() - since > HANGS_AFTER and process.pid is not None:
            hung = True
            os.kill(process.pid, signal.SIGKILL)
    process.join()
    case = int(current.value)
    if hung:
        tally.find("hang", f"no end within {HANGS_AFTER:.0f} seconds", case)
    elif process.exitcode:
        ended = f"ended by {signal.Signals(-process.exitcode).name}" if process.exitcode < 0 else "ended"
        tally.find(ended, f"the process {ended}, code {process.exitcode}", case)


def _work(make: MakeTarget, seed: int, cases: range, current: Synchronized[int], accepted: Synchronized[int],
          there: Connection) -> None:
    _be_quiet()
    warnings.simplefilter("error", RuntimeWarning)  # NumPy's: a number that is none goes on from there
    with tempfile.TemporaryDirectory(dir=_TEMPORARY if _TEMPORARY.is_dir() else None) as folder:
        target, memory = make(Path(folder)), Memory()
        resource.setrlimit(resource.RLIMIT_AS, (memory.address_space() + _MEMORY,) * 2)
        there.send(("progress", 0.0, 0))
        begin = time.process_time()
        for case in cases:
            current.value = case
            try:
                accepted.value += one(target, random_of(seed, case), memory)
            except Exception as error:
                said = f"{type(error).__name__}: {error}"[:1000]
                there.send(("finding", place_of(error), said, case, target.written))
            if case % _EVERY == 0 or case == cases[-1]:
                there.send(("progress", time.process_time() - begin, memory.highest))
                begin = time.process_time()
    there.close()


def make_all(target: Target, seed: int, cases: range) -> Tally:
    """Run cases in this process."""
    memory, tally = Memory(), Tally()
    for case in cases:
        try:
            tally.accepted += one(target, random_of(seed, case), memory)
        except Exception as error:
            tally.find(place_of(error), f"{type(error).__name__}: {error}"[:1000], case, target.written)
        tally.done += 1
    return tally


def one(target: Target, random: Random, memory: Memory) -> bool:
    """A case within its limits; AssertionError where it is not."""
    memory.start()
    begin = time.process_time()
    accepted = target.check(random)
    took, grown = time.process_time() - begin, memory.grown()
    assert took < LONGEST, f"a case that takes {took:.1f} seconds"
    assert grown < target.most_bytes, f"a case that takes {grown >> 20} MiB of memory"
    return accepted


class Memory:
    """How much memory a process takes between two points, at its peak, where Linux tells it."""

    def __init__(self) -> None:
        self.highest, self._before = 0, 0

    def start(self) -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # forgets the highest mark
        self._before = _status("VmRSS")

    def grown(self) -> int:
        peak = _status("VmHWM")
        self.highest = max(self.highest, peak)
        return peak - self._before

    def address_space(self) -> int:
        return _status("VmSize")


def _status(key: str) -> int:
    try:
        with open("/proc/self/status") as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith(key)), 0)
    except OSError:
        return 0


def _be_quiet() -> None:
    """Decoders print what they think of a damaged file."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def place_of(error: Exception) -> str:
    """Where an error was raised, and by which line of ours: cases of one place are one finding."""
    frames = traceback.extract_tb(error.__traceback__)
    last, ours = frames[-1], [frame for frame in frames if frame.filename.startswith(str(_ROOT))]
    return " < ".join(dict.fromkeys(f"{type(error).__name__} {Path(frame.filename).name}:{frame.lineno} {frame.name}"
                                    for frame in (last, *ours[-1:])))


def most_common(tally: Tally) -> list[tuple[str, Finding]]:
    counts = Counter({place: finding.count for place, finding in tally.findings.items()})
    return [(place, tally.findings[place]) for place, _ in counts.most_common()]
