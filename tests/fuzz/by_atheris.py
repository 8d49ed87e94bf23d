"""Cases that atheris draws: libFuzzer's, which keeps what reaches new branches of the library, and changes that on."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["trs", "tune.space", "tune.plan"]):
    from tests.fuzz import __main__ as command


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


def fuzz(name: str, seed: int, cases: int) -> None:
    """Check so many cases, until the first that fails; the process ends with them."""
    folder = Path(tempfile.mkdtemp())
    target = command.TARGETS[name](folder)

    def check(content: bytes) -> None:
        target.check(BytesRandom(content))

    options = [f"-runs={cases}", f"-seed={seed + 1}", "-max_len=256", "-rss_limit_mb=0", "-timeout=60"]
    atheris.Setup([sys.argv[0], *options], check)
    atheris.Fuzz()
