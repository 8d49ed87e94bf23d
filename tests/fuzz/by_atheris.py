"""Cases that atheris draws: `python -m tests.fuzz.by_atheris annotations --cases 100000 --seed 0`.

It is libFuzzer, which keeps what reaches new branches of the library, and changes that on. The first finding ends it;
its bytes are left in a file `crash-...`, and made again by `--again FILE`. It has wheels for Linux alone:
`pip install -e '.[fuzz]'`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["trs", "tune.space", "tune.plan"]):
    from tests.fuzz.targets import TARGETS


class BytesRandom(Random):
    """Draws from the bytes of a fuzzer; whatever is drawn after they are used up is 0."""

    def __init__(self, content: bytes) -> None:
        super().__init__(0)
        self._rest = content

    def getrandbits(self, count: int) -> int:
        size = (count + 7) // 8
        taken, self._rest = self._rest[:size], self._rest[size:]
        return int.from_bytes(taken, "little") & (1 << count) - 1

    def random(self) -> float:
        return self.getrandbits(16) / (1 << 16)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.by_atheris", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", type=Path, help="a file of a finding, made again alone")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        target, counts = TARGETS[chosen.target](Path(folder)), [0, 0]

        def check(content: bytes) -> None:
            counts[target.check(BytesRandom(content))] += 1
            if sum(counts) == chosen.cases:  # the process ends without coming back
                print(f"{chosen.target}: atheris, seed {chosen.seed}, {sum(counts):,} cases: {counts[1]:,} accepted, "
                      f"{counts[0]:,} refused, 0 found", flush=True)

        if chosen.again is not None:
            check(chosen.again.read_bytes())
            return
        atheris.Setup([sys.argv[0], f"-runs={chosen.cases}", f"-seed={chosen.seed + 1}", "-max_len=512",
                       "-len_control=0", "-rss_limit_mb=0", "-timeout=300", "-print_final_stats=1"], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
