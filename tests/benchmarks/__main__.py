"""All ratios of speed in one table: `python -m tests.benchmarks [--json FILE]`."""

from __future__ import annotations

from tests.benchmarks.kernels import KERNELS
from tests.benchmarks.ratios import main
from tests.benchmarks.reading import reading
from tests.benchmarks.search import searching
from tests.benchmarks.step import step

main(__doc__, *KERNELS, step, searching, reading)
