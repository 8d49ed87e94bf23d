"""A whole search of real, tiny trainings through Ray Tune."""

from __future__ import annotations

import csv
import dataclasses
import shutil
import sqlite3
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from jobs.runs import read_metrics, write_run
from jobs.train import prepare
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import Config
from trs.errors import InputError
from tune import compare, search
from tune.space import default_space, describe, paper_defaults
from tune.study import BASELINE, STUDY_FILE, SUPERVISED, open_study, read_study

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_cluster")]


def start(folder: Path, config: Config, trials: int) -> tuple[search.Search, optuna.Study]:
    """A search's folder as `search.main` lays it out."""
    space = default_space(config, {})
    plan = search.Search(trials, grace_epochs=1, reduction_factor=2, reference=True, space=describe(space))
    write_run(config, prepare(config, folder), folder)
    search.save_plan(plan, folder)
    study = open_study(folder, grace_epochs=1, reduction_factor=2)
    study.enqueue_trial(paper_defaults(config, space), user_attrs={BASELINE: True})
    return plan, study


def run(folder: Path, config: Config, plan: search.Search, study: optuna.Study) -> None:
    search.run(folder, config, prepare(config, folder), plan, study, concurrent=2)


@pytest.mark.parametrize(("epochs", "judged_after"), [(1, 1), (7, 2), (16, 4), (70, 18)])
def test_trials_are_first_judged_after_a_quarter_of_their_epochs(config: Config, epochs: int, judged_after: int
                                                                 ) -> None:
    settings = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=epochs))
    assert search._plan(search.Command(settings=settings)).grace_epochs == judged_after
    assert search._plan(search.Command(settings=settings, grace_epochs=1)).grace_epochs == 1


def test_a_search_broken_off_and_resumed_accounts_for_every_trial_once(config: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, cpus_per_worker=1, data_cpus=0.5))
    folder = tmp_path / "search"
    plan, study = start(folder, config, trials=3)
    # What a killed driver leaves: a trial that was asked for, and never ended.
    orphan = study.ask(default_space(config, {}))
    run(folder, config, plan, study)

    trials = read_study(folder).get_trials()
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
    assert trials[0].params == orphan.params == {"method.ema_momentum": 0.999, "method.unsup_weight": 0.5,
                                                 "method.mix_count": 5}
    for trial in trials:
        metrics = read_metrics(folder / "trials" / f"{trial.number:04d}")
        assert [m["ap"] for m in metrics] == list(trial.intermediate_values.values())
        ran = configs.load(folder / "trials" / f"{trial.number:04d}" / "config.yaml")
        assert ran.method.unsup_weight == trial.params["method.unsup_weight"]
    assert len(read_metrics(folder / "trials" / SUPERVISED)) == 2
    assert checkpoints.newest(folder / "trials" / SUPERVISED)

    before = (folder / "trials" / "0000" / "metrics.jsonl").read_bytes()
    run(folder, config, plan, study)  # nothing is left, nothing runs twice
    assert len(read_study(folder).get_trials()) == 3
    assert (folder / "trials" / "0000" / "metrics.jsonl").read_bytes() == before

    # A kill between a trial's last epoch and the study's note of it: the trial has nothing new to report.
    with sqlite3.connect(folder / STUDY_FILE) as database:
        database.execute("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE number = 0")
        database.execute("DELETE FROM trial_values WHERE trial_id = (SELECT trial_id FROM trials WHERE number = 0)")
    run(folder, config, plan, open_study(folder, grace_epochs=1, reduction_factor=2))
    again = read_study(folder).get_trials()
    assert [(trial.state, trial.value) for trial in again] == [(trial.state, trial.value) for trial in trials]
    assert (folder / "trials" / "0000" / "metrics.jsonl").read_bytes() == before

    compare.main([str(folder)])
    rows = list(csv.DictReader((folder / "leaderboard.csv").open()))
    assert {row["trial"] for row in rows} == {"0000", "0001", "0002", SUPERVISED}
    assert configs.load(folder / "best.yaml").data == config.data
    assert "<html" in (folder / "report.html").read_text()


def test_a_search_whose_trials_all_fail_says_why_and_fails(config: Config, drawn_root: Path, tmp_path: Path,
                                                           capsys: pytest.CaptureFixture) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    for picture in (root / "train").iterdir():
        picture.unlink()
    configs.save(dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(root))),
                 tmp_path / "broken.yaml")
    with pytest.raises(InputError, match="every trial failed"):
        search.main(["--config", str(tmp_path / "broken.yaml"), "--out", str(tmp_path), "--name", "search",
                     "--trials", "1", "--no-reference"])
    assert "[0000] FAILED: 10 pictures in a row cannot be read" in capsys.readouterr().out
    assert [trial.state for trial in read_study(tmp_path / "search").get_trials()] == [TrialState.FAIL]
