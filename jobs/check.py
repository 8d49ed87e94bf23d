"""All problems of a dataset, before a GPU hour is spent on it: `python -m jobs.check --data.root DIR ...`."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from jobs import cli
from jobs.run_folder.console import duration
from trs.check.dataset import check_dataset
from trs.check.report import Report
from trs.errors import InputError, printable
from trs.files import write_text

_SILENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Command(cli.Command):
    """Look at a dataset as a training would see it, and say what is wrong with it, all at once."""

    decode: bool = True
    """Decode every image; without, only their headers are read, which is much faster and finds less."""
    json: Path | None = None
    """A file to write everything to, as one object."""


def main(arguments: list[str]) -> None:
    """Print what there is and the problems; fail if a training would be refused, or stopped, for one of them."""
    command = cli.parse(Command, arguments, "python -m jobs.check")
    if command.json is not None:
        cli.require_file("--json", command.json)
    report = check_dataset(command.settings.data, command.decode, _Progress())
    print("\n".join(lines(report)))
    if command.json is not None:
        write_text(command.json, json.dumps(dataclasses.asdict(report), indent=1) + "\n")
    stopping = [problem for problem in report.problems if problem.stops]
    if stopping:
        raise InputError(f"no training would come to its end with {len(stopping)} of these problems")


class _Progress:
    """Prints a line now and then."""

    def __init__(self) -> None:
        self.began = self.said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.said > _SILENCE_SECONDS:
            self.said = now
            left = (now - self.began) / done * (total - done)
            print(f"{done:,} of {total:,} images, {duration(left)} left", flush=True)


def lines(report: Report) -> list[str]:
    """What is said of a dataset."""
    found = []
    for file in report.files:
        left_out = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in file.left_out.items())
        found.append(f"{file.role}: {file.people:,} people in {file.images:,} images of {file.file}"
                     + (f"; left out: {left_out}" if left_out else ""))
    pairs = (["not known"] if report.mirror_pairs is None else
             [f"{printable(a)} - {printable(b)}" for a, b in report.mirror_pairs])
    found.append(f"mirror pairs: {', '.join(pairs) or 'none'}")
    if report.sigmas:
        found.append(f"OKS sigmas: {report.sigmas_from}")
    count = len(report.problems)
    found.append("no problems" if not count else "1 problem" if count == 1 else f"{count} problems")
    for problem in report.problems:
        found += [f"  {'ERROR' if problem.stops else 'warning'}  {problem.file}: {cli.as_options(problem.problem)}",
                  *([f"           {problem.count:,}, first {'; '.join(problem.examples)}"] if problem.examples else []),
                  *([f"           remedy: {cli.as_options(problem.remedy)}"] if problem.remedy else [])]
    return found


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
