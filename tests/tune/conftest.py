"""A search's folder as a search leaves it, written through the same functions, without a training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from jobs import config as jobs_config
from jobs.config import ClusterConfig, Job
from jobs.run_folder.layout import CONFIG_FILE, write_run
from jobs.run_folder.metrics import MetricsLog
from jobs.training.prepare import prepare
from trs.config import Config, change
from trs.data.annotations.formats import load_people
from trs.data.synthetic import draw_dataset
from trs.evaluation.oks import coco_results, score_poses
from trs.evaluation.results import write_results
from trs.presets import demo
from tune import compare
from tune import search as searches
from tune.plan import SKELETON_FILE, SUPERVISED, TRIALS, Plan, Search, save_search, trial_job, trial_name
from tune.space import default_space, paper_defaults, parse_space
from tune.storage import open_study
from tune.study import BASELINE

EPOCHS = 8
SPACE = parse_space(["method.ema_momentum=0.9,0.97,0.99,0.999", "method.unsup_weight=0.1..10:log",
                     "method.mix_count=0..9"])
# Searched values, how the trial ended, the epochs that it ran, its AP then.
TRIAL_ROWS: list[tuple[tuple[float, float, int], TrialState, int, float | None]] = [
    ((0.999, 0.5, 5), TrialState.COMPLETE, EPOCHS, 0.40),
    ((0.9, 3.0, 2), TrialState.PRUNED, 1, 0.05),
    ((0.97, 1.0, 4), TrialState.COMPLETE, EPOCHS, 0.47),
    ((0.99, 8.0, 9), TrialState.FAIL, 2, 0.11),
    ((0.99, 0.2, 0), TrialState.PRUNED, 4, 0.25),
    ((0.97, 0.7, 7), TrialState.COMPLETE, EPOCHS, 0.43),
    ((0.97, 1.4, 3), TrialState.RUNNING, 0, None),
]
SUPERVISED_AP = 0.31


def _metrics(epoch: int, ap: float, peak_confidence: float) -> dict[str, float]:
    return {"epoch": epoch, "step": 100 * epoch, "ap": ap, "ap_a": ap - 0.01, "ap_b": ap + 0.01, "loss": 1 / epoch,
            "peak_confidence": peak_confidence, "steps_per_second": 2.0, "seconds_left": 0.0}


def _curve(epochs: int, last: float) -> list[float]:
    """Rises above its last value on the way, so that the best epoch is not the last."""
    return [last * (1 - 0.6 ** epoch) + 0.06 * (epoch == epochs - 1) for epoch in range(1, epochs)] + [last]


def _write_run(folder: Path, job: Job, aps: list[float], peak_confidence: float = 0.8) -> None:
    folder.mkdir(parents=True)
    jobs_config.save(job, folder / CONFIG_FILE)
    log = MetricsLog(folder, 0)
    for epoch, ap in enumerate(aps, 1):
        log.write(_metrics(epoch, ap, peak_confidence))
    log.events.close()


def _write_predictions(run: Path, config: Config) -> None:
    """The annotated poses, the further off the later the person."""
    root = Path(config.data.root)
    people, *_ = load_people(root / config.data.val_annotations, root / config.data.val_images)
    rng = np.random.default_rng(0)
    noise = np.linspace(0, 12, len(people))[:, None, None] * rng.standard_normal(people.keypoints.shape)
    confidence = np.full((*people.keypoints.shape[:2], 1), 0.9)
    keypoints = np.concatenate([people.keypoints + noise, confidence], axis=2)
    poses = score_poses(people, np.arange(len(people)), keypoints)
    write_results(run / "predictions", "ensemble", coco_results(people, poses))


def _write_search(folder: Path, root: Path, rows: list[Any], reference: bool) -> Path:
    base = Job(change(demo(), {"data.root": str(root), "data.dev_count": None, "train.burn_in": 0}))
    folder.mkdir(parents=True)
    jobs_config.save(base, folder / CONFIG_FILE)
    skeleton = load_people(root / base.config.data.train_annotations, root / base.config.data.train_images)[1]
    (folder / SKELETON_FILE).write_text(json.dumps(dataclasses.asdict(skeleton)))
    study = open_study(folder, 1, 2)
    for number, (point, state, epochs, ap) in enumerate(rows):
        values = dict(zip(SPACE, point, strict=True))
        study.enqueue_trial(values, user_attrs={BASELINE: True} if number == 0 else {})
        trial = study.ask(SPACE)
        aps = [] if ap is None else _curve(epochs, ap)
        _write_run(folder / TRIALS / trial_name(number), trial_job(base, trial_name(number), values), aps)
        for epoch, reported in enumerate(aps, 1):
            trial.report(reported, epoch)
        if state is not TrialState.RUNNING:
            study.tell(trial, ap if state is TrialState.COMPLETE else None, state=state)
        if ap is not None:
            _write_predictions(folder / TRIALS / trial_name(number), base.config)
    if reference:
        _write_run(folder / TRIALS / SUPERVISED, trial_job(base, SUPERVISED, {}), _curve(EPOCHS, SUPERVISED_AP))
    return folder


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 drawn validation people."""
    root = tmp_path_factory.mktemp("drawn") / "people"
    draw_dataset(root, train_count=1, val_count=24)
    return root


@pytest.fixture
def make_search(tmp_path: Path, people: Path) -> Callable[..., Path]:
    """Writes a search by its name, from rows like those above."""
    return lambda name, rows, reference=True: _write_search(tmp_path / name, people, rows, reference)


@pytest.fixture(scope="session")
def search(tmp_path_factory: pytest.TempPathFactory, people: Path) -> Path:
    """The search above, compared."""
    folder = _write_search(tmp_path_factory.mktemp("runs") / "demo", people, TRIAL_ROWS, True)
    compare.main([str(folder)])
    return folder


@pytest.fixture(scope="session")
def trained_search(config: Config, tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:
    """Three real trials and the reference, by a search that resumes one that was killed. Change copies of it."""
    job = Job(config, ClusterConfig(data_cpus=0.5))
    folder = tmp_path_factory.mktemp("runs") / "trained"
    space = default_space(config, {})
    datasets = prepare(config, folder)
    write_run(job, datasets.split, folder)
    save_search(Search(folder, job, Plan(3, grace_epochs=1), space), datasets.skeleton)
    study = open_study(folder, grace_epochs=1, reduction_factor=2)
    study.enqueue_trial(paper_defaults(config, space), user_attrs={BASELINE: True})
    study.ask(space)  # what a killed driver leaves: a trial that was asked for, and never ended
    searches.main(["--resume", folder.name, "--out", str(folder.parent), "--concurrent", "2"])
    return folder
