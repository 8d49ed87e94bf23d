"""What a person sees while a search runs."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from jobs.cluster.failures import Blame
from jobs.config import Job
from jobs.run_folder.layout import MISTAKE_FILE, STOP_FILE
from trs.config import Config
from tune.live import LiveTable, SearchLines, report_live
from tune.plan import TRIALS, Plan, Search
from tune.space import parse_space

VALUES = {"method.ema_momentum": 0.999, "method.mix_count": 5}


def trial(name: str, values: dict[str, Any]) -> Any:
    return SimpleNamespace(config={"name": name, "values": values}, local_path="/somewhere")


def result(epoch: int, ap: float) -> dict[str, float]:
    return {"epoch": epoch, "ap": ap, "ap_a": ap, "loss": 0.01, "steps_per_second": 3.0, "seconds_left": 60.0,
            "bad_images": 0, "peak_confidence": 0.5}


def failure(why: str, blame: Blame = Blame.SETTINGS) -> dict[str, Any]:
    """What a driver reports of its failure."""
    return {"failure": why, "blame": blame.value}


def search_in(folder: Path, config: Config) -> Search:
    return Search(folder, Job(config), Plan(), parse_space(["method.ema_momentum=0.9,0.999", "method.mix_count=0..9"]))


def tell_all(callback: SearchLines, folder: Path, config: Config) -> None:
    """Three runs: the reference ends, a trial trains, one fails."""
    runs = {name: trial(name, values) for name, values in (("supervised", {}), ("0000", VALUES), ("0001", VALUES))}
    for run in runs.values():
        callback.on_trial_start(0, [], run)
    callback.on_trial_result(0, [], runs["supervised"], result(2, 0.3))
    (folder / TRIALS / "supervised").mkdir(parents=True)
    (folder / TRIALS / "supervised" / "metrics.jsonl").write_text(
        f'{{"step": 5, "epoch": {config.train.epochs}, "ap": 0.3}}\n')
    callback.on_trial_complete(0, [], runs["supervised"])
    callback.on_trial_result(0, [], runs["0000"], result(1, 0.25))
    (folder / TRIALS / "0001").mkdir()
    callback.on_trial_result(0, [], runs["0001"], failure("the gradients of step 3 are not finite"))
    callback.on_trial_error(0, [], runs["0001"])


def test_a_log_gets_lines(config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Console(file=io.StringIO(), force_terminal=False)
    with report_live(search_in(tmp_path, config), samples=4, console=log) as callback:
        tell_all(callback, tmp_path, config)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["[supervised] starts", "[0000] starts  ema_momentum=0.999  mix_count=5"]
    assert lines[3].startswith("[supervised] epoch 2/2  AP 0.300  (a 0.300)")
    assert lines[4].startswith("[supervised] finished; 1 of 4 done, about ")
    assert lines[6].startswith("[0001] FAILED: the gradients of step 3 are not finite; 2 of 4 done")


def test_a_trial_that_fails_before_it_starts_is_told(config: Config, tmp_path: Path,
                                                     capsys: pytest.CaptureFixture[str]) -> None:
    lines = SearchLines(search_in(tmp_path, config), samples=4)
    lines.on_trial_error(0, [], trial("0000", VALUES))
    assert capsys.readouterr().out == ("[0000] was broken off: its driver was lost, see /somewhere/error.txt; it is "
                                       "tried again, or on --resume\n")
    lines.on_trial_result(0, [], trial("0000", VALUES), failure("no place was left", Blame.MACHINE))
    lines.on_trial_error(0, [], trial("0000", VALUES))
    assert "was broken off: no place was left; it is tried again" in capsys.readouterr().out
    assert lines.left() == "0 of 4 done"


def test_a_table_tells_it_too(config: Config, tmp_path: Path) -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=200, _environ={"TERM": "xterm"})
    with report_live(search_in(tmp_path, config), samples=4, console=console) as callback:
        callback.on_trial_error(0, [], trial("0000", VALUES))
    assert "was broken off: its driver was lost" in terminal.getvalue()


def test_a_trial_that_failed_has_no_score_now_and_after_a_restart(config: Config, tmp_path: Path) -> None:
    callback = SearchLines(search_in(tmp_path, config), samples=4)
    callback.on_trial_start(0, [], trial("0000", VALUES))
    callback.on_trial_result(0, [], trial("0000", VALUES), result(1, 0.9))
    run = tmp_path / TRIALS / "0000"
    run.mkdir(parents=True)
    (run / MISTAKE_FILE).write_text("network a has diverged")
    (run / "metrics.jsonl").write_text('{"step": 5, "epoch": 1, "ap": 0.9}\n')
    callback.on_trial_result(0, [], trial("0000", VALUES), failure("network a has diverged"))
    callback.on_trial_error(0, [], trial("0000", VALUES))
    again = SearchLines(search_in(tmp_path, config), samples=1)
    for lines in (callback, again):
        assert (lines.rows["0000"].status, lines.rows["0000"].score) == ("FAILED", None)
        assert lines.best() is None and lines.headline() == ""


def test_a_trial_that_a_stopped_search_leaves_has_not_ended(config: Config, tmp_path: Path,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    callback = SearchLines(search_in(tmp_path, config), samples=4)
    callback.on_trial_start(0, [], trial("0000", VALUES))
    (tmp_path / STOP_FILE).touch()
    callback.on_trial_complete(0, [], trial("0000", VALUES))
    assert capsys.readouterr().out.splitlines()[-1] == "[0000] interrupted"
    assert callback.left() == "0 of 4 done"


def test_a_resumed_search_knows_what_has_been_found(config: Config, tmp_path: Path) -> None:
    (tmp_path / TRIALS / "0000").mkdir(parents=True)
    (tmp_path / TRIALS / "0000" / "metrics.jsonl").write_text('{"step": 5, "epoch": 2, "ap": 0.4}\n')
    assert SearchLines(search_in(tmp_path, config), samples=1).headline() == (
        "best so far 0.400 (0000, epoch 2), paper's defaults 0.400 (0000, epoch 2)")


def test_a_terminal_gets_a_table_that_says_what_is_best_against_what(config: Config, tmp_path: Path) -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=110, _environ={"TERM": "xterm"})
    with report_live(search_in(tmp_path, config), samples=4, console=console) as callback:
        tell_all(callback, tmp_path, config)
        assert isinstance(callback, LiveTable)
        assert pickle.loads(pickle.dumps(callback)).rows == callback.rows  # Tune writes its callbacks down
        paper = Console(file=io.StringIO(), width=110, color_system=None)
        paper.print(callback.table())
    lines = paper.file.getvalue().splitlines()
    headline = " ".join(" ".join(lines[:2]).split())
    assert headline.startswith("2 of 4 done, about ")
    assert "best so far 0.250 (0000, epoch 1), paper's defaults 0.250 (0000, epoch 1), supervised 0.300" in headline
    found = [line.split() for line in lines if "/2" in line]
    assert found[0] == ["0000", "running", "1/2", "0.250", "0.999", "5"]
    assert [line[0] for line in found] == ["0000", "supervised", "0001"], "those that train, then the best"
    assert "[0001] FAILED: the gradients of step 3 are not finite" in terminal.getvalue()
