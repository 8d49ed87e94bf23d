"""Damaged files by the hundred thousand: `python -m tests.fuzz annotations --cases 100000 --seed 0`.

Prints how many cases were accepted and refused, how fast, and what was found; a finding's files are kept. One case is
made again by `--case`. `--engine hypothesis` draws the cases in hypothesis' way and shrinks what it finds; see
`tests.fuzz.by_atheris` too, which follows the branches of the library.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.by_hypothesis import Counts, examples
from tests.fuzz.run import Memory, Tally, most_common, one, random_of, run
from tests.fuzz.targets import TARGETS

_AT_ONCE = 5_000
"""Cases after which hypothesis begins anew, since it remembers all of them."""
_LINE_EVERY = 60.0
"""Seconds between two lines."""


def main() -> None:
    chosen = _options()
    if chosen.case is not None:
        _again(chosen.targets[0], chosen.seed, chosen.case, chosen.keep)
        return
    found = 0
    for name in chosen.targets:
        found += _by_hypothesis(name, chosen) if chosen.engine == "hypothesis" else _by_seeds(name, chosen)
    sys.exit(1 if found else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="what is damaged; by default all, in turn")
    parser.add_argument("--cases", type=int, default=100_000, help="of each target")
    parser.add_argument("--seed", type=int, default=0, help="cases of one seed are the same in each run")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", type=int, help="make this case alone, show its error and keep its files")
    parser.add_argument("--engine", choices=["seeds", "hypothesis"], default="seeds")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder for the files of findings")
    chosen = parser.parse_args()
    chosen.targets = chosen.targets or list(TARGETS)
    return chosen


def _by_seeds(name: str, chosen: argparse.Namespace) -> int:
    tally, begin, said, told = Tally(), time.monotonic(), time.monotonic(), set[str]()
    for tally in run(TARGETS[name], chosen.seed, range(chosen.first, chosen.first + chosen.cases)):
        for place in tally.findings.keys() - told:
            print(f"  new: {place}: {tally.findings[place].said!r}, case {tally.findings[place].cases[0]}", flush=True)
            told.add(place)
        if time.monotonic() - said > _LINE_EVERY:
            said = time.monotonic()
            print(_line(name, chosen.seed, tally, said - begin), flush=True)
    for place, finding in most_common(tally):
        numbers = ", ".join(map(str, finding.cases))
        print(f"  {finding.count} x {place}\n    {finding.said!r}\n    cases {numbers}", flush=True)
        _keep(chosen.keep / f"{name}-{chosen.seed}-{finding.cases[0]}", finding.files)
    print(_line(name, chosen.seed, tally, time.monotonic() - begin), flush=True)
    return len(tally.findings)


def _line(name: str, seed: int, tally: Tally, seconds: float) -> str:
    found = sum(finding.count for finding in tally.findings.values())
    return (f"{name}: seed {seed}, {tally.done:,} cases: {tally.accepted:,} accepted, "
            f"{tally.done - tally.accepted - found:,} refused, {found:,} found; {tally.done / seconds:.0f} cases/s "
            f"({1000 * tally.seconds / max(1, tally.done):.1f} ms of computing each), {seconds:.0f} s, at most "
            f"{tally.peak >> 20} MiB")


def _by_hypothesis(name: str, chosen: argparse.Namespace) -> int:
    """As many cases as hypothesis draws; the smallest one that fails is shown."""
    begin, counts = time.monotonic(), Counts()
    with tempfile.TemporaryDirectory() as folder:
        target = TARGETS[name](Path(folder))
        for first in range(0, chosen.cases, _AT_ONCE):
            examples(target, min(_AT_ONCE, chosen.cases - first), counts, chosen.seed * chosen.cases + first)()
    seconds = time.monotonic() - begin
    print(f"{name}: hypothesis, seed {chosen.seed}, {counts.accepted + counts.refused:,} cases: {counts.accepted:,} "
          f"accepted, {counts.refused:,} refused; {(counts.accepted + counts.refused) / seconds:.0f} cases/s")
    return 0


def _again(name: str, seed: int, case: int, keep: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = TARGETS[name](Path(folder))
        try:
            accepted = one(target, random_of(seed, case), Memory())
            print(f"{name}: case {case} of seed {seed} is {'accepted' if accepted else 'refused'}")
        finally:
            _keep(keep / f"{name}-{seed}-{case}", target.written)


def _keep(folder: Path, files: dict[str, bytes]) -> None:
    for number, (name, content) in enumerate(files.items()):
        folder.mkdir(parents=True, exist_ok=True)
        plain = name if name.isascii() and name.isprintable() else f"file_{number}"
        (folder / plain).write_bytes(content)


if __name__ == "__main__":
    main()
