"""The best of a search trained again: what is trained, what is measured, what is said."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs import cli
from jobs import config as jobs_config
from jobs.paper.runs import Run
from jobs.run_folder.layout import CONFIG_FILE, METRICS_FILE
from jobs.run_folder.metrics import read_metrics
from trs import config as configs
from trs.config import Config, SupervisedConfig, change
from trs.data.datasets import load_datasets
from trs.errors import InputError
from trs.evaluation.coco_eval import coco_numbers
from trs.evaluation.intervals import Gain
from trs.evaluation.pck import pck
from trs.evaluation.resampled import images_drawn, score_of_run
from trs.evaluation.results import PREDICTIONS, predicted_people, read_predictions, stack_poses
from tune import search as searches
from tune.confirm import for_as_long, sorts_of
from tune.confirmed import CONFIRMED_FILE, Confirmed, Kind, as_text, read_confirmed, write_confirmed
from tune.leaderboard import as_csv, read_leaderboard
from tune.plan import TRIALS
from tune.publish.files import compare

FOUND = Confirmed(
    "AP", 3, 400, True,
    [Kind("best trial, 0002", "0002", 0.36, 0.012, 0.38, 231, 80.0),
     Kind("supervised", "supervised", 0.27, 0.02, 0.27, 231, 18.0)],
    {"the paper's defaults": Gain(0.004, 0.01, -0.02, 0.03, 3),
     "supervised training for as long": Gain(0.09, 0.02, 0.06, 0.12, 3)})


@pytest.fixture
def copied(search: Path, tmp_path: Path) -> Path:
    """A whole search, to be changed."""
    return shutil.copytree(search, tmp_path / search.name)


def test_what_was_found_is_what_is_read(tmp_path: Path) -> None:
    assert read_confirmed(tmp_path) is None
    write_confirmed(tmp_path, FOUND)
    assert read_confirmed(tmp_path) == FOUND


@pytest.mark.parametrize("damage", ["[]", "{", '{"metric": "AP"}', '{"kinds": 3}', "null"])
def test_what_is_damaged_is_refused(tmp_path: Path, damage: str) -> None:
    (tmp_path / CONFIRMED_FILE).write_text(damage)
    with pytest.raises(InputError, match=r"does not hold what a search has confirmed .*; delete it, and confirm again"):
        read_confirmed(tmp_path)


def test_a_person_reads_mean_spread_and_interval_and_where_there_is_none() -> None:
    lines = as_text(FOUND).splitlines()
    assert lines[0].startswith("Trained again with 3 other seeds of labels and weights; AP on 400 people who chose ")
    assert lines[2].split() == ["best", "trial,", "0002", "0.360", "±", "0.012", "0.380", "231", "80", "s"]
    assert lines[-2] == "gain over the paper's defaults: +0.004 ± 0.010 [-0.020, +0.030], no difference shown"
    assert lines[-1] == "gain over supervised training for as long: +0.090 ± 0.020 [+0.060, +0.120]"


def test_what_was_the_best_when_it_was_confirmed_is_told(copied: Path, capsys: pytest.CaptureFixture) -> None:
    write_confirmed(copied, FOUND)
    assert read_leaderboard(copied).doubts == []
    before = dataclasses.replace(FOUND.kinds[0], name="best trial, 0005", run="0005")
    write_confirmed(copied, dataclasses.replace(FOUND, kinds=[before, *FOUND.kinds[1:]]))
    compare(read_leaderboard(copied))
    told = "what was trained again is the best trial, 0005, as it was then; by now the best is 0002, which"
    assert told in capsys.readouterr().out and told in (copied / "report.html").read_text()


def test_what_is_confirmed_trains_where_the_data_lie_by_now(copied: Path) -> None:
    job = jobs_config.load(copied / CONFIG_FILE)
    jobs_config.save(dataclasses.replace(job, config=change(job.config, {"data.root": "/moved"})), copied / CONFIG_FILE)
    assert {sort.config.data.root for sort in sorts_of(read_leaderboard(copied))} == {"/moved"}


def test_what_fails_is_told_beside_the_gains() -> None:
    found = dataclasses.replace(FOUND, failed={"the paper's defaults": "1 of 3 trainings failed, the first because x"})
    assert as_text(found).splitlines()[-1] == "the paper's defaults: 1 of 3 trainings failed, the first because x"


def test_leaderboard_and_report_show_it(copied: Path, capsys: pytest.CaptureFixture) -> None:
    folder = copied
    write_confirmed(folder, FOUND)
    compare(read_leaderboard(folder))
    assert "gain over supervised training for as long: +0.090" in capsys.readouterr().out
    report = (folder / "report.html").read_text()
    assert "<h2>Trained again</h2>" in report and "0.360 ± 0.012" in report and "no difference shown" in report
    rows = {row["trial"]: row for row in csv.DictReader((folder / "leaderboard.csv").open())}
    assert (rows["0002"]["confirmed_ap"], rows["0002"]["confirmed_std"], rows["0002"]["confirmed_seeds"]) == (
        "0.36", "0.012", "3")
    assert rows["0001"]["confirmed_ap"] == "" and rows["supervised"]["confirmed_ap"] == "0.27"
    (folder / CONFIRMED_FILE).unlink()
    assert "confirmed_ap" not in as_csv(read_leaderboard(folder))


def test_supervised_training_gets_the_bests_learning_rate_and_its_time(copied: Path) -> None:
    board = read_leaderboard(copied)
    best = board.best
    assert best is not None
    sorts = sorts_of(board)
    assert [sort.name for sort in sorts] == [f"best trial, {best.name}", "second best, 0005", "the paper's defaults",
                                             "supervised"]
    assert sorts[3].config == dataclasses.replace(board.config, method=SupervisedConfig())
    seconds = {sort.name: time for sort, time in zip(sorts, (90.0, 85.0, 80.0, 20.0), strict=True)}
    (longer,) = for_as_long(sorts, seconds)
    assert longer.config == change(sorts[3].config, {"train.epochs": round(4.5 * board.config.train.epochs)})
    assert longer.against != sorts[3].against == "supervised training of as many steps"
    assert for_as_long(sorts, {**seconds, "supervised": 90.0}) == []  # no longer than it is

    best.values["train.learning_rate"] = 0.007
    tuned = sorts_of(board)[3:]
    assert [sort.config.train.learning_rate for sort in tuned] == [board.config.train.learning_rate, 0.007]
    assert len({sort.against for sort in tuned}) == 1  # the better one counts


def test_the_papers_defaults_have_no_burn_in(copied: Path) -> None:
    burning = read_leaderboard(copied)
    burning = dataclasses.replace(burning, job=dataclasses.replace(
        burning.job, config=change(burning.config, {"train.burn_in": 2})))
    for folder in (copied / TRIALS).iterdir():
        (folder / CONFIG_FILE).unlink(missing_ok=True)
    sorts = {sort.name: sort for sort in sorts_of(burning)}
    published, best = sorts["the paper's defaults"], sorts[f"best trial, {burning.best.name}"]
    assert (best.config.train.burn_in, published.config.train.burn_in, published.run) == (2, 0, None)


def test_whom_a_manifest_labels_no_seed_changes() -> None:
    drawn = Run(change(Config(), {"data.dev_count": 5})).repeated(2).config
    named = Run(change(Config(), {"data.dev_count": 5, "data.manifest": "split.json"})).repeated(2).config
    assert (drawn.data.split_seed, named.data.split_seed, named.train.seed) == (2, 0, drawn.train.seed)
    assert drawn.data.draws_labels and not named.data.draws_labels
    assert dataclasses.replace(FOUND, labels=False).title.startswith(
        "Trained again with 3 other seeds of weights, with the same labels; AP on 400 people who chose nothing")


def test_how_to_go_on_says_that_it_is_to_be_confirmed(tmp_path: Path) -> None:
    command = cli.parse(searches.Command, ["--name", "s", "--out", str(tmp_path), "--confirm", "2"], "run_tune.py")
    assert command.to_resume == f"--resume s --out {tmp_path} --confirm 2"


def test_a_search_without_a_whole_trial_has_nothing_to_confirm(copied: Path) -> None:
    board = read_leaderboard(copied)
    nothing = dataclasses.replace(board, entries=[entry for entry in board.entries if entry.status != "complete"])
    with pytest.raises(InputError, match="no trial has come to its end"):
        sorts_of(nothing)


@pytest.mark.long
@pytest.mark.usefixtures("ray_cluster")
def test_a_search_is_confirmed_on_the_people_who_chose_nothing(config: Config, tmp_path: Path,
                                                               capsys: pytest.CaptureFixture) -> None:
    config = change(config, {"data.dev_count": 7, "train.burn_in": 2})
    configs.save(config, tmp_path / "config.yaml")
    arguments = ["--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path), "--name", "search", "--trials", "1",
                 "--concurrent", "4", "--confirm", "2"]
    searches.main(arguments)
    folder, datasets = tmp_path / "search", load_datasets(config.data)
    found = read_confirmed(folder)
    assert found is not None and (found.seeds, found.people, found.tested) == (2, len(datasets.test), True)
    assert [kind.run for kind in found.kinds if kind.run] == ["0000", "supervised"]
    assert "supervised training of as many steps" in found.gains  # how long a step takes is chance here
    assert "gain over supervised training of as many steps: " in capsys.readouterr().out

    # Other labels and weights than the search's, and its numbers are those that the runs have measured.
    runs = {path: configs.load(path / "config.yaml") for path in (folder / "confirm").iterdir()
            if (path / METRICS_FILE).exists()}
    best = [path for path, learned in runs.items() if learned.method.name == "trs" and learned.train.burn_in == 2]
    assert {(learned.data.split_seed, learned.train.seed) for learned in runs.values()} == {(1, 1005), (2, 2005)}
    scores = [read_metrics(path)[-1]["test_ap"] for path in best]
    assert found.kinds[0].score == pytest.approx(np.mean(scores))

    # What is drawn from is what the evaluation counts, for every metric.
    test = datasets.of_test()
    everybody = np.ones((1, images_drawn("ap", test)))
    assert images_drawn("pck", test) == len(np.unique(test.val.image_ids)) == everybody.shape[1]
    for path in best:
        poses = read_predictions(path / PREDICTIONS / "test_a.json")
        ap = coco_numbers(test.truth, poses, test.skeleton.sigmas)["ap"]
        assert score_of_run("ap", ["a"], path, test, "test_")(everybody)[0] == pytest.approx(ap)
        people = predicted_people(test.val, poses)
        rows = np.searchsorted(test.val.ids, people.ids)
        right = pck(test.val, rows, stack_poses(poses, people))["pck"]
        assert score_of_run("pck", ["a"], path, test, "test_")(everybody)[0] == pytest.approx(right)

    before = json.loads((folder / CONFIRMED_FILE).read_text())
    searches.main(["--resume", "search", "--out", str(tmp_path), "--confirm", "2"])  # nothing is trained again
    assert json.loads((folder / CONFIRMED_FILE).read_text()) == before
    assert "confirming: 6 trainings, 6 done" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.usefixtures("ray_cluster")
def test_defaults_that_diverge_do_not_stand_in_the_way_of_the_rest(config: Config, tmp_path: Path,
                                                                   capsys: pytest.CaptureFixture) -> None:
    """The first trial runs the config's learning rate, which is none; the second another."""
    config = change(config, {"data.dev_count": 7, "train.learning_rate": 1e8, "train.warmup_steps": 0})
    configs.save(config, tmp_path / "config.yaml")
    (tmp_path / "space.yaml").write_text("train.learning_rate: 0.004,1e8\n")
    searches.main(["--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path), "--name", "search", "--trials",
                   "1", "--no-reference", "--space-file", str(tmp_path / "space.yaml"), "--queue",
                   "train.learning_rate=0.004", "--confirm", "2"])
    found = read_confirmed(tmp_path / "search")
    assert found is not None and found.gains == {} and found.best.run == "0001"
    assert "the paper's defaults" not in [kind.name for kind in found.kinds]
    why = found.failed["the paper's defaults"]
    assert why.startswith("2 of 2 trainings failed, the first because") and f"the paper's defaults: {why}" in (
        capsys.readouterr().out)
