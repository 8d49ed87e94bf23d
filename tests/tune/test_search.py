"""A whole search of real, tiny trainings through Ray Tune."""

from __future__ import annotations

import csv
import dataclasses
import shutil
import sqlite3
from pathlib import Path

import loky
import pytest
import torch
from optuna.trial import TrialState

from jobs import config as jobs_config
from jobs import train
from jobs.config import Job
from jobs.run_folder.layout import CONFIG_FILE
from jobs.run_folder.metrics import best_step, read_metrics
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import Config
from trs.errors import InputError
from tune import search
from tune.place import STUDY_FILE
from tune.plan import SUPERVISED, Plan, Search, load_plan
from tune.storage import read_study
from tune.study import trials_left

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_cluster")]


@pytest.mark.parametrize(("epochs", "judged_after"), [(1, 1), (7, 2), (16, 4), (70, 18)])
def test_trials_are_first_judged_after_a_quarter_of_their_epochs(config: Config, tmp_path: Path, epochs: int,
                                                                 judged_after: int) -> None:
    settings = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=epochs))
    assert Search(tmp_path, Job(settings), Plan(), {}).grace_epochs == judged_after
    assert Search(tmp_path, Job(settings), Plan(grace_epochs=1), {}).grace_epochs == 1


def resume(folder: Path) -> None:
    search.main(["--resume", folder.name, "--out", str(folder.parent), "--concurrent", "2"])


def test_a_search_that_was_broken_off_goes_on_with_the_trial_that_was_running(trained_search: Path) -> None:
    trials = read_study(trained_search).get_trials()
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
    assert trials[0].params == {"method.ema_momentum": 0.999, "method.unsup_weight": 0.5, "method.mix_count": 5}
    for trial in trials:
        metrics = read_metrics(trained_search / "trials" / f"{trial.number:04d}")
        assert [m["ap"] for m in metrics] == list(trial.intermediate_values.values())
        ran = configs.load(trained_search / "trials" / f"{trial.number:04d}" / "config.yaml")
        assert ran.method.unsup_weight == trial.params["method.unsup_weight"]
        run = trained_search / "trials" / f"{trial.number:04d}"
        kept = [int(path.name.removeprefix("checkpoint_")) for path in checkpoints.of_run(run)]
        assert len(kept) <= 2 and best_step(run, "ap") in kept  # nobody goes on from it
    assert len(read_metrics(trained_search / "trials" / SUPERVISED)) == 2
    assert checkpoints.newest(trained_search / "trials" / SUPERVISED)


def test_it_is_compared_at_its_end(trained_search: Path, config: Config) -> None:
    rows = list(csv.DictReader((trained_search / "leaderboard.csv").open()))
    assert {row["trial"] for row in rows} == {"0000", "0001", "0002", SUPERVISED}
    assert configs.load(trained_search / "best.yaml").data == config.data
    assert "<html" in (trained_search / "report.html").read_text()


def test_no_trial_runs_twice(trained_search: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained_search, tmp_path / trained_search.name)
    trials = read_study(folder).get_trials()
    before = (folder / "trials" / "0000" / "metrics.jsonl").read_bytes()
    resume(folder)  # nothing is left
    assert len(read_study(folder).get_trials()) == 3
    assert (folder / "trials" / "0000" / "metrics.jsonl").read_bytes() == before

    # A kill between a trial's last epoch and the study's note of it: the trial has nothing new to report.
    with sqlite3.connect(folder / STUDY_FILE) as database:
        database.execute("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE number = 0")
        database.execute("DELETE FROM trial_values WHERE trial_id = (SELECT trial_id FROM trials WHERE number = 0)")
    resume(folder)
    again = read_study(folder).get_trials()
    assert [(trial.state, trial.value) for trial in again] == [(trial.state, trial.value) for trial in trials]
    assert (folder / "trials" / "0000" / "metrics.jsonl").read_bytes() == before


def threads(folder: Path, name: str) -> int | None:
    return jobs_config.load(folder / "trials" / name / CONFIG_FILE).cluster.threads


@pytest.mark.long
def test_a_finished_search_goes_on_with_more_trials_queued_ones_and_moved_data(trained_search: Path, drawn_root: Path,
                                                                               tmp_path: Path) -> None:
    folder = shutil.copytree(trained_search, tmp_path / "again")
    root = shutil.copytree(drawn_root, tmp_path / "moved")
    assert jobs_config.load(folder / CONFIG_FILE).cluster.threads is None and threads(folder, "0002") == 1
    with sqlite3.connect(folder / STUDY_FILE) as database:  # one that had begun is still to end, with other threads
        database.execute("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE number = 2")
        database.execute("DELETE FROM trial_values WHERE trial_id = (SELECT trial_id FROM trials WHERE number = 2)")
    began = jobs_config.load(folder / "trials" / "0002" / CONFIG_FILE)
    jobs_config.save(dataclasses.replace(began, cluster=dataclasses.replace(began.cluster, threads=7)),
                     folder / "trials" / "0002" / CONFIG_FILE)
    search.main(["--resume", str(folder), "--trials", "4", "--concurrent", "1", "--data.root", str(root),
                 "--max-failures", "9", "--queue", "method.unsup_weight=2 method.mix_count=3"])
    trials = read_study(folder).get_trials()
    assert len(trials) == 5 and all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
    assert trials[3].params.items() >= {"method.unsup_weight": 2.0, "method.mix_count": 3}.items()
    assert load_plan(folder)[0].trials == 4 and trainings_left_of(folder) == 0
    assert threads(folder, "0002") == 7, "another number gives other last bits"
    assert threads(folder, "0003") == threads(folder, "0004") == min(8, loky.cpu_count())
    for file in (folder / CONFIG_FILE, folder / "trials" / "0004" / CONFIG_FILE):
        job = jobs_config.load(file)
        assert (job.config.data.root, job.cluster.max_failures) == (str(root), 9)


def trainings_left_of(folder: Path) -> int:
    return trials_left(read_study(folder), load_plan(folder)[0].trials)


@pytest.mark.long
def test_trials_share_a_burn_in_and_end_as_if_each_had_burned_in_by_itself(config: Config, tmp_path: Path,
                                                                          capsys: pytest.CaptureFixture) -> None:
    configs.save(configs.change(config, {"train.burn_in": 7}), tmp_path / "config.yaml")
    (tmp_path / "space.yaml").write_text("method.unsup_weight: 0.5..2\n")
    search.main(["--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path), "--name", "search", "--trials", "2",
                 "--space-file", str(tmp_path / "space.yaml"), "--concurrent", "2", "--grace-epochs", "2"])
    said, folder = capsys.readouterr().out, tmp_path / "search"
    trials = read_study(folder).get_trials()
    assert len(trials) == 2 and len(list((folder / "burn_in").iterdir())) == 1
    assert said.count("burns in: 7 supervised steps") == 1 == said.count("burned in\n")
    assert "2 of 3 done" in said  # a burn-in is no trial
    for trial in trials:  # the burn-in is not evaluated, and counts among the steps
        assert [metrics["step"] for metrics in read_metrics(folder / "trials" / f"{trial.number:04d}")] == [10]

    train.main(["--config", str(folder / "trials" / "0001" / "config.yaml"), "--out", str(tmp_path), "--name", "alone"])
    alone, shared = (checkpoints.load(checkpoints.newest(run)).networks
                     for run in (tmp_path / "alone", folder / "trials" / "0001"))
    assert alone.keys() == shared.keys() and all(torch.equal(alone[name], shared[name]) for name in alone)


def test_a_search_whose_trials_all_fail_says_why_and_fails(config: Config, drawn_root: Path, tmp_path: Path,
                                                           capsys: pytest.CaptureFixture) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    for image in (root / "train").iterdir():
        image.unlink()
    configs.save(dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(root))),
                 tmp_path / "broken.yaml")
    with pytest.raises(InputError, match="every trial failed"):
        search.main(["--config", str(tmp_path / "broken.yaml"), "--out", str(tmp_path), "--name", "search",
                     "--trials", "1", "--no-reference"])
    assert "[0000] FAILED: 100 images in a row cannot be read" in capsys.readouterr().out
    assert [trial.state for trial in read_study(tmp_path / "search").get_trials()] == [TrialState.FAIL]
