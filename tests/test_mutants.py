"""The table of mutants follows the code, and a mutant that nobody notices is told from one that somebody does."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.mutants.run import ROOT
from tests.mutants.table import MUTANTS
from trs.presets import PRESETS


def test_each_text_stands_once_in_its_file_and_leaves_python_without_it() -> None:
    assert len(MUTANTS) > 500
    faults = {}
    for mutant in MUTANTS:
        try:
            assert mutant.apply(ROOT) != (ROOT / mutant.file).read_text()
        except (AssertionError, OSError, SyntaxError, ValueError) as error:
            faults[f"{mutant.file}: {mutant.name}"] = str(error)
    assert not faults, "the code has changed: let tests/mutants follow it"


@functools.cache
def functions_in(file: str) -> frozenset[str]:
    return frozenset(node.name for node in ast.walk(ast.parse((ROOT / file).read_text()))
                     if isinstance(node, ast.FunctionDef))


def test_each_test_is_there() -> None:
    for mutant in MUTANTS:
        assert mutant.tests
        for test in mutant.tests:
            file, _, function = test.partition("[")[0].partition("::")
            assert function in functions_in(file), f"{mutant.file}: {mutant.name} names {test}"


def test_each_mutant_has_a_name_of_its_own() -> None:
    counts = Counter((mutant.file, mutant.name) for mutant in MUTANTS)
    assert [name for name, count in counts.items() if count > 1] == []


def test_a_number_of_each_preset_is_among_them() -> None:
    assert {mutant.name.partition(":")[0] for mutant in MUTANTS if mutant.file == "trs/presets.py"} == PRESETS.keys()


TRIED = """
import json, sys
from pathlib import Path
from tests.mutants.mutant import Mutant
from tests.mutants.run import run_sound, try_all

def of(before, after, test="tests/trs/test_schedule.py::test_ramp_up"):
    return Mutant("one", "trs/schedule.py", before, after, (test,))

crash = "    import os\\n    os.abort()\\n"
mutants = [of("step / length", "1 / length"), of("that rises linearly", "that rises"), of("nowhere", "there"),
           of("step / length", "step / length", "tests/trs/test_schedule.py::test_nothing"),
           of("    return min(1.0, step / length)", crash + "    return 1.0")]
print(json.dumps([[outcome.killed, outcome.by, outcome.fault.splitlines()[:1]]
                  for outcomes in (run_sound(mutants[:1], Path(sys.argv[1]), 1), try_all(mutants, Path(sys.argv[1]), 2))
                  for outcome in outcomes]))
"""


def test_who_is_noticed_is_killed_and_who_cannot_be_tried_is_told(tmp_path: Path) -> None:
    """In a process of its own, which goes on in copies of itself."""
    ran = subprocess.run([sys.executable, "-c", TRIED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
                         timeout=600)
    assert ran.returncode == 0, ran.stderr
    sound, killed, survived, lost, untested, crashed = json.loads(ran.stdout.splitlines()[-1])
    assert sound == [False, "", []]
    assert killed == [True, "tests/trs/test_schedule.py::test_ramp_up", []]
    assert survived == [False, "", []]
    assert lost == [False, "", ["the text stands 0 times in trs/schedule.py, not once: 'nowhere'"]]
    assert untested == [False, "", ["the tests did not run:"]]
    assert crashed == [True, "SIGABRT", []]
