"""Real trainings through Ray Train: exactness, resumes, and what they leave behind."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import ray.train

from jobs.cluster.failures import OfMachine
from jobs.config import TWO_CORES, Job
from jobs.run_folder.layout import read_events, write_run
from jobs.run_folder.metrics import read_metrics
from jobs.training.datasets import store
from jobs.training.evaluation import evaluate
from jobs.training.prepare import prepare
from jobs.training.trainer import fit
from trs import checkpoint as checkpoints
from trs import config as configs
from trs.config import Config, MeanTeacherConfig
from trs.data.datasets import Datasets
from trs.data.split import load_split
from trs.errors import InputError

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_cluster")]


def with_train(config: Config, **changes: object) -> Config:
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **changes))


def train(config: Config, folder: Path, callbacks: tuple = (), max_failures: int = 3) -> None:
    """As `jobs.train.main` does it; a folder with a run in it is resumed."""
    job = Job(config, dataclasses.replace(TWO_CORES, max_failures=max_failures))
    datasets = prepare(config, folder)
    write_run(job, datasets.split, folder)
    fit(job, store(datasets), folder, callbacks)


@pytest.fixture(scope="module")
def trained(config: Config, datasets: Datasets, tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:
    """A finished training of two epochs on one worker."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    train(config, folder)
    return folder


def weights(folder: Path) -> bytes:
    return (checkpoints.newest(folder) / "networks.safetensors").read_bytes()


@pytest.mark.parametrize("module", ["jobs.training.trainer", "tune.trial"])
def test_who_only_drives_or_controls_a_training_does_without_torch(module: str) -> None:
    """Each takes a third of the memory so; there are two a trial, all on the head."""
    said = subprocess.run([sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"], cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout.split()
    assert module in said and not {"torch", "torchvision", "timm", "scipy"} & set(said)


def test_a_run_leaves_its_config_its_split_its_metrics_and_its_poses(trained: Path, config: Config, datasets: Datasets
                                                                     ) -> None:
    assert configs.load(trained / "config.yaml") == config
    assert load_split(trained / "split.json") == datasets.split
    assert [metrics["step"] for metrics in read_metrics(trained)] == [5, 10]
    assert {path.stem for path in (trained / "predictions").iterdir()} == \
        {"a", "b", "reviewer_a", "reviewer_b", "ensemble"}
    assert list((trained / "tensorboard").glob("events*"))
    assert checkpoints.load(checkpoints.newest(trained)).counters.step == 10


def test_an_evaluation_writes_one_checkpoint(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    class Saves(ray.train.UserCallback):
        """Notes when each report comes, and which checkpoints there are then."""

        def after_report(self, run_context, metrics, checkpoint):
            states = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("checkpoint_*/state.json")}
            with (folder / "seen.jsonl").open("a") as file:
                file.write(json.dumps(states) + "\n")

    train(config, folder, callbacks=(Saves(),))
    seen = [json.loads(line) for line in (folder / "seen.jsonl").read_text().splitlines()]
    last = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("checkpoint_*/state.json")}
    # Written once, and never again; Ray tells of a report when it next looks, by when the worker may be further on.
    assert "checkpoint_00000005" in seen[0] and seen[1] == last
    assert last["checkpoint_00000005"] == seen[0]["checkpoint_00000005"]


def test_killed_after_an_epoch_and_resumed_it_ends_in_the_same_weights(trained: Path, config: Config,
                                                                      tmp_path: Path) -> None:
    assert_killed_and_resumed(config, tmp_path / "run", trained)


def test_so_it_does_from_the_packages_weights_with_every_option_of_the_optimizer(config: Config, tmp_path: Path
                                                                                 ) -> None:
    options = {"optimizer": "adamw", "weight_decay": 0.01, "clip_norm": 1.0, "schedule": "cosine", "backbone_rate": 0.1}
    model = {"backbones": ("timm:tf_efficientnet_lite0",) * 2, "pretrained": ("package",)}
    changes = {**{f"train.{name}": value for name, value in options.items()},
               **{f"model.{name}": value for name, value in model.items()},
               "method.ema_warmup": "mean", "view.heatmap_warp": "bilinear"}
    one = dataclasses.replace(config, method=MeanTeacherConfig())  # half as many networks as TRS has
    unlike = configs.change(one, changes)
    train(unlike, tmp_path / "through")
    assert_killed_and_resumed(unlike, tmp_path / "run", tmp_path / "through")


def assert_killed_and_resumed(config: Config, folder: Path, through: Path) -> None:
    """A run that is killed after its first epoch ends as one that has come through."""
    class Kill(ray.train.UserCallback):
        def after_report(self, run_context, metrics, checkpoint):
            raise SystemError("the machine is gone")

    with pytest.raises(OfMachine, match=r"failed 1 times in a row .* SystemError: the machine is gone"):
        train(config, folder, callbacks=(Kill(),), max_failures=0)
    assert len(read_metrics(folder)) >= 1
    train(config, folder)
    assert [metrics["step"] for metrics in read_metrics(folder)] == [5, 10]
    assert weights(folder) == weights(through)
    assert (checkpoints.newest(folder) / "optimizer.safetensors").read_bytes() == \
        (checkpoints.newest(through) / "optimizer.safetensors").read_bytes()


def test_the_ap_of_the_same_weights_does_not_depend_on_the_number_of_workers(trained: Path, config: Config,
                                                                            tmp_path: Path) -> None:
    checkpoint = checkpoints.newest(trained)
    alone, together = (evaluate(checkpoint, Job(with_train(config, workers=workers), TWO_CORES),
                                tmp_path / str(workers))
                       for workers in (1, 2))
    assert alone.metrics == together.metrics
    assert alone.keypoints == together.keypoints and list(alone.keypoints) == list(alone.datasets.skeleton.names)
    assert all(score is not None and 0 <= score <= 1 for score in alone.keypoints.values())
    for name in ("a", "b", "reviewer_a", "reviewer_b", "ensemble"):
        assert (tmp_path / "1" / "predictions" / f"{name}.json").read_bytes() == \
            (tmp_path / "2" / "predictions" / f"{name}.json").read_bytes()
    last = read_metrics(trained)[-1]
    assert {name: last.get(name) for name in alone.metrics} == alone.metrics  # what nobody gives is in no record


@pytest.mark.long
def test_two_workers_learn_together(config: Config, tmp_path: Path) -> None:
    """DDP: the same rows in half as many steps."""
    config = with_train(config, workers=2, epochs=1)
    folder = tmp_path / "two"
    train(config, folder)
    assert checkpoints.load(checkpoints.newest(folder)).counters.step == 3
    assert json.loads((folder / "metrics.jsonl").read_text())["bad_images"] == 0


def test_a_mistake_found_by_a_worker_ends_the_run_at_once_in_a_sentence(config: Config, drawn_root: Path,
                                                                       tmp_path: Path) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    for image in list((root / "train").iterdir())[::2]:
        image.write_bytes(b"")
    broken = dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(root)))
    with pytest.raises(InputError, match="images cannot be used"):
        train(broken, tmp_path / "run")
    sentences = (tmp_path / "run" / "bad_images.txt").read_text().splitlines()
    named = [sentence.partition(" ")[0].removesuffix(":") for sentence in sentences]
    assert named and len(set(named)) == len(named), "a line an image"
    assert {(root / "train" / name).stat().st_size for name in named} == {0}
    assert read_events(tmp_path / "run") == []  # no restart has read them again


def test_an_error_that_nobody_expected_in_a_reading_task_ends_the_run_at_once_with_the_image(
        config: Config, datasets: Datasets, tmp_path: Path) -> None:
    labeled = dataclasses.replace(datasets.labeled, keypoints=datasets.labeled.keypoints[:-1])
    folder = tmp_path / "run"
    write_run(Job(config, TWO_CORES), datasets.split, folder)
    with pytest.raises(InputError) as ended:
        fit(Job(config, TWO_CORES), store(dataclasses.replace(datasets, labeled=labeled)), folder)
    said = (f"unexpected IndexError while reading {datasets.labeled.files[-1]}: index 7 is out of bounds for axis 0 "
            "with size 7")
    assert str(ended.value) == (folder / "mistake.txt").read_text() == f"{said} (see failures.txt)"
    assert read_events(folder) == []
    failures = (folder / "failures.txt").read_text()
    assert failures.splitlines()[0] == said and "\x1b" not in failures
    assert "Traceback (most recent call last)" in failures


def test_a_run_that_failed_by_a_mistake_goes_on_when_it_is_mended(trained: Path, config: Config, tmp_path: Path
                                                                  ) -> None:
    write_run(Job(config, TWO_CORES), prepare(config, tmp_path / "run").split, tmp_path / "run")
    (tmp_path / "run" / "mistake.txt").write_text("too high a learning rate")
    train(config, tmp_path / "run")
    assert not (tmp_path / "run" / "mistake.txt").exists()
    assert weights(tmp_path / "run") == weights(trained)
