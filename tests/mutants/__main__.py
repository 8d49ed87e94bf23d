"""Whether the tests notice when a guard is gone: `python -m tests.mutants [--only WORDS] [--jobs 2] [--list]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.run import run_sound, try_all
from tests.mutants.table import MUTANTS


def main(arguments: list[str]) -> int:
    """Print a line a mutant and how many were killed; 1 if one survived, 2 if one could not be tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="words that stand in a mutant's name or file")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--list", action="store_true", help="name the mutants and try none")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS
              if all(word in f"{mutant.file} {mutant.name}" for word in options.only.split())]
    if options.list or not chosen:
        print("\n".join(f"{mutant.file}: {mutant.name}" for mutant in chosen) or "there is no such mutant")
        return 0
    began, counts = time.monotonic(), {"killed": 0, "survived": 0, "not tried": 0}
    with tempfile.TemporaryDirectory() as folder:
        for outcome in run_sound(chosen, Path(folder), options.jobs):
            if outcome.killed or outcome.fault:
                print(f"the tests fall without a mutant: {outcome.by}{outcome.fault}")
                return 2
        for mutant, outcome in zip(chosen, try_all(chosen, Path(folder), options.jobs), strict=True):
            fate = "not tried" if outcome.fault else "killed" if outcome.killed else "survived"
            counts[fate] += 1
            print(f"{fate:<9} {outcome.seconds:5.1f} s  {mutant.file}: {mutant.name}  {outcome.by}{outcome.fault}",
                  flush=True)
    missed = f", not tried {counts['not tried']}" if counts["not tried"] else ""
    print(f"{time.monotonic() - began:.0f} s")
    print(f"killed {counts['killed']}, survived {counts['survived']}{missed}")
    return 2 if counts["not tried"] else 1 if counts["survived"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
