"""Every link, every block of code and every command in the documentation; `test_commands.py` runs the commands."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import tyro

from jobs import check, cli, evaluate, explore, export, predict, score, table
from tests.documentation.causes import causes
from tests.documentation.commands import PAGES, ROOT, python_commands
from trs import config as configs
from trs.config import Config
from tune import compare, dashboard, search
from tune.plan import SEARCH_FILE
from tune.space import chosen_space

PLAIN = {"jobs.evaluate": evaluate.Command, "jobs.predict": predict.Command, "jobs.export": export.Command,
         "tune.compare": compare.Compare, "tune.dashboard": dashboard.Command, "jobs.table": table.Command,
         "jobs.score": score.Command}
WITH_CONFIG = {"jobs.train": cli.Command, "jobs.doctor": cli.Command, "jobs.explore": explore.Command,
               "jobs.check": check.Command,
               "run_tune.py": search.Command}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target
    for file in re.findall(r"`((?:trs|jobs|tune|tests|docs)/[\w/.-]+)`", page.read_text()):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize(("program", "arguments"), python_commands(), ids=str)
def test_every_command_is_one(program: str, arguments: list[str], config: Config, tmp_path: Path,
                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("first", "demo", "NAME"):  # the searches and runs that the pages speak of
        (tmp_path / "runs" / name).mkdir(parents=True)
        for file in ("best.yaml", "config.yaml"):
            configs.save(config, tmp_path / "runs" / name / file)
        (tmp_path / "runs" / name / SEARCH_FILE).write_text("space: {method.mix_count: 0..9}\n")
    if arguments == ["--help"]:
        with pytest.raises(SystemExit, match=r"^0$"):
            cli.parse(WITH_CONFIG[program], arguments, program)
    elif program in PLAIN:
        tyro.cli(PLAIN[program], args=arguments)
    elif program in WITH_CONFIG:
        parsed: Any = cli.parse(WITH_CONFIG[program], arguments, program)
        if program == "run_tune.py" and not parsed.resume:
            (tmp_path / "space.yaml").write_text("method.mix_count: 0..9\n")
            chosen_space(parsed.settings, list(parsed.space), parsed.space_file)
    else:
        assert program in ("pytest", "pip") or importlib.util.find_spec(program), program


def test_the_example_of_an_own_method_trains(drawn_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from trs.augment.hard_view import CHANGES
    from trs.methods.build import METHODS

    known = dict(CHANGES), dict(METHODS)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)
    room: dict[str, Any] = {"root": str(drawn_root), "__name__": "example"}
    try:
        for block in blocks:
            exec(compile(block, "extending.md", "exec"), room)
    finally:
        for registry, before in zip((CHANGES, METHODS), known, strict=True):
            registry.clear()
            registry.update(before)
    assert capsys.readouterr().out.startswith("AP ") and room["training"].counters.step == 2


def test_whatever_may_end_a_search_is_tried() -> None:
    """Tests take the exit codes of docs/searching.md from there."""
    tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    assert len(causes()) > 10
    assert [name for name in causes() if f'"{name}"' not in tests] == []
