"""The loop without Ray: exact resumes, and what happens when steps or images go wrong."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trs import checkpoint as checkpoints
from trs import config as configs
from trs import loop
from trs.config import Config, MeanTeacherConfig, MethodConfig, SSPCMConfig, SupervisedConfig, TRSConfig, change
from trs.data.batch import labeled_batch
from trs.data.datasets import Datasets, load_datasets
from trs.data.reader import Stream, stream_of
from trs.errors import Diverged, InputError, Interrupted, Interruption
from trs.evaluation.evaluate import evaluate
from trs.host import Metrics, PlainHost
from trs.methods.build import build_method
from trs.training import Training, start_training


def streams_of(datasets: Datasets, config: Config) -> dict[str, Stream]:
    return {name: stream_of(people, datasets.skeleton.flip_order, config)
            for name, people in (("labeled", datasets.labeled), ("unlabeled", datasets.unlabeled))}


class Stopped(Exception):
    """A host that ends the process."""


@dataclasses.dataclass
class Host(PlainHost):
    """Saves a checkpoint wherever the loop asks for one, and ends after some reports."""

    folder: Path = Path()
    stop_after: int | None = None

    def save(self, training: Training) -> None:
        training.save(self.folder / checkpoints.folder_name(training.counters.step))

    def report(self, metrics: dict[str, float]) -> None:
        super().report(metrics)
        if len(self.reports) == self.stop_after:
            raise Stopped


def run(config: Config, datasets: Datasets, folder: Path, resume_from: Path | None = None,
        stop_after: int | None = None, reported_step: int = 0) -> tuple[Training, list[Metrics]]:
    """Train, saving a checkpoint before each evaluation; optionally end after some reports."""
    method = build_method(config, len(datasets.skeleton))
    resumed = checkpoints.load(resume_from) if resume_from else None
    training = start_training(config, datasets, method, torch.device("cpu"), resumed)
    host = Host(streams_of(datasets, config), reported_step=reported_step, folder=folder,
                stop_after=stop_after)
    with contextlib.suppress(Stopped):
        loop.train(training, host)
    return training, host.reports


def measured(reports: list[Metrics]) -> list[Metrics]:
    """What was reported, but for the times that it took."""
    timing = {"steps_per_second", "data_wait", "seconds_left"}
    return [{name: value for name, value in report.items() if name not in timing} for report in reports]


def test_the_people_who_choose_nothing_are_measured_at_the_end(config: Config, tmp_path: Path) -> None:
    config = change(config, {"data.dev_count": 7})
    datasets = load_datasets(config.data)
    kept: dict[str, list[dict[str, object]]] = {}
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    host = Host(streams_of(datasets, config), folder=tmp_path)
    host.keep = kept.__setitem__  # type: ignore[method-assign]
    loop.train(training, host)
    first, last = host.reports
    tested = {"test_ap", "test_ap_ensemble", "test_pck", "test_pck_ensemble"}
    assert not any(name.startswith("test_") for name in first) and tested <= last.keys()
    alone = evaluate(training.method, datasets.of_test(), config, torch.device("cpu"), [])
    assert {name: last[f"test_{name}"] for name in ("ap", "pck", "ap_ensemble")} == {
        name: alone[name] for name in ("ap", "pck", "ap_ensemble")}
    assert len(kept["test_ensemble"]) == len(datasets.test) and len(kept["ensemble"]) == len(datasets.val) == 7
    assert {name for name in last if name.startswith("test_")} == tested


@pytest.mark.parametrize("method", [
    TRSConfig(), TRSConfig(reviewer_update="ema_and_supervised"), TRSConfig(reviewer_mode="train", paths=2),
    MeanTeacherConfig(augment=("cutmix", "rand_augment")), SSPCMConfig(confidence_threshold=0.0)], ids=str)
def test_resumed_equals_uninterrupted_to_the_last_bit(config: Config, datasets: Datasets, tmp_path: Path,
                                                      method: MethodConfig) -> None:
    config = dataclasses.replace(config, method=method)
    through, reports = run(config, datasets, tmp_path / "through")
    run(config, datasets, tmp_path / "broken", stop_after=1)
    resumed, rest = run(config, datasets, tmp_path / "broken",
                        resume_from=tmp_path / "broken" / checkpoints.folder_name(5), reported_step=5)
    assert through.counters == resumed.counters and through.counters.step == 10
    for name, tensor in through.method.networks.state_dict().items():
        assert torch.equal(tensor, resumed.method.networks.state_dict()[name]), name
    for index, state in through.optimizer.state_dict()["state"].items():
        for name, tensor in state.items():
            assert torch.equal(tensor, resumed.optimizer.state_dict()["state"][index][name])
    assert measured(rest) == measured(reports[1:])


BURN_IN = [TRSConfig(unsup_weight=1.0, ema_momentum=0.9), MeanTeacherConfig(), SSPCMConfig(),
           TRSConfig(reviewer_update="ema_and_supervised")]


@pytest.mark.parametrize("method", BURN_IN, ids=["trs", "mean_teacher", "sspcm", "trs whose reviewers learn"])
def test_a_burn_in_is_supervised_training_and_resumes_to_the_last_bit(
        config: Config, datasets: Datasets, tmp_path: Path, method: MethodConfig) -> None:
    config = dataclasses.replace(change(config, {"train.burn_in": 6}), method=method)
    training, reports = run(config, datasets, tmp_path / "whole")
    assert training.steps_per_epoch == 5 and [report["epoch"] for report in reports] == [2]  # none within the burn-in

    # What the peers have learned by then is what supervised training of as many networks teaches them.
    peers = dataclasses.replace(config, method=SupervisedConfig(networks=len(method.peers)))
    supervised = start_training(peers, datasets, build_method(peers, 17), torch.device("cpu"))
    loop.train(supervised, Host(streams_of(datasets, peers), folder=tmp_path / "burn_in"), until=6)
    burned_in = checkpoints.load(tmp_path / "burn_in" / checkpoints.folder_name(6))
    assert supervised.counters.step == 6

    if method.name != "trs" or method.reviewer_update == "ema":
        shared = start_training(config, datasets, build_method(config, 17), torch.device("cpu"), burned_in=burned_in)
        loop.train(shared, Host(streams_of(datasets, config), folder=tmp_path / "shared"))
        assert_equal(shared, training)

    interrupted = Host(streams_of(datasets, config), folder=tmp_path / "part", checkpoint_every=1)
    begun = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    loop.train(begun, interrupted, until=6)
    for step in (4, 6):  # within it, and at its end
        resumed, _ = run(config, datasets, tmp_path / f"from_{step}",
                         tmp_path / "part" / checkpoints.folder_name(step))
        assert_equal(resumed, training)


def assert_equal(one: Training, other: Training) -> None:
    """Two trainings have come to the same networks and optimizer, to the last bit."""
    for name, weight in one.method.networks.state_dict().items():
        assert torch.equal(weight, other.method.networks.state_dict()[name]), name
    for index, state in one.optimizer.state_dict()["state"].items():
        for name, value in state.items():
            assert torch.equal(value, other.optimizer.state_dict()["state"][index][name]), (index, name)


def test_memory_is_as_young_after_a_burn_in_as_at_a_start(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    config = change(config, {"train.burn_in": 2, "method.ema_warmup": "tenth"})
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    peers = {}
    for step in (2, 3):
        loop.train(training, Host(streams_of(datasets, config), folder=tmp_path), until=step)
        peers[step] = {name: weight.detach().clone()
                       for name, weight in training.method.networks["a"].named_parameters()}
    for name, weight in training.method.networks["reviewer_a"].named_parameters():
        expected = 0.1 * peers[2][name] + 0.9 * peers[3][name]  # min((1 + 0) / (10 + 0), alpha), Eq. 1
        torch.testing.assert_close(weight, expected)


def test_the_first_report_counts_the_time_of_a_burn_in_by_somebody_else(config: Config, datasets: Datasets,
                                                                         tmp_path: Path) -> None:
    config = change(config, {"train.burn_in": 3})
    peers = dataclasses.replace(config, method=SupervisedConfig(networks=2))
    supervised = start_training(peers, datasets, build_method(peers, 17), torch.device("cpu"))
    loop.train(supervised, Host(streams_of(datasets, peers), folder=tmp_path / "burn_in"), until=3)
    burned_in = checkpoints.load(tmp_path / "burn_in" / checkpoints.folder_name(3))
    assert burned_in.counters.seconds > 0 and burned_in.counters.timed == 3

    slow = dataclasses.replace(burned_in, counters=dataclasses.replace(burned_in.counters, seconds=3000.0))
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"), burned_in=slow)
    host = Host(streams_of(datasets, config), folder=tmp_path / "shared", checkpoint_every=1)
    loop.train(training, host)
    first, second = host.reports
    assert first["step"] / first["steps_per_second"] == pytest.approx(3000, abs=60) and second["steps_per_second"] > 0.1

    # So does a run that was interrupted; after a report it begins anew.
    counters = [checkpoints.load(tmp_path / "shared" / checkpoints.folder_name(step)).counters for step in (4, 6)]
    assert [each.timed for each in counters] == [4, 1] and counters[0].seconds > 3000 > counters[1].seconds


def test_a_burn_in_reads_no_unlabeled_image(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    config = change(config, {"train.burn_in": 2})
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    streams = [set(rows) for rows in loop._rows_of_shares(training, 4)]
    assert streams == [{"labeled"}] * 2 + [{"labeled", "unlabeled"}] * 2
    training.counters = dataclasses.replace(training.counters, step=2)
    labeled_only = training.images_met
    training.counters = dataclasses.replace(training.counters, step=3)
    assert labeled_only <= len(datasets.labeled) < training.images_met


def test_a_burn_in_that_leaves_no_step_is_refused(config: Config, datasets: Datasets) -> None:
    config = change(config, {"train.burn_in": 10})
    with pytest.raises(InputError, match="burn_in takes all 10 steps of the run, and leaves none"):
        start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    supervised = dataclasses.replace(config, method=SupervisedConfig())
    training = start_training(supervised, datasets, build_method(supervised, 17), torch.device("cpu"))
    assert training.burn_in == 0, "all its steps are supervised"


def test_reports_hold_what_one_needs_to_know(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    _, reports = run(config, datasets, tmp_path)
    assert [report["epoch"] for report in reports] == [1, 2]
    assert {"ap", "ap50", "ar", "ap_a", "ap_b", "ap_reviewer_a", "ap_reviewer_b", "ap_ensemble", "loss",
            "loss_supervised", "loss_a", "loss_b", "agreement", "peak_confidence", "learning_rate", "seconds_left",
            "data_wait", "steps_per_second", "bad_images"} <= reports[0].keys()
    assert reports[0]["ap"] == pytest.approx((reports[0]["ap_a"] + reports[0]["ap_b"]) / 2)
    assert reports[1]["seconds_left"] == 0


def test_supervised_reads_no_unlabeled_image_and_takes_as_many_steps(config: Config, drawn_root: Path,
                                                                       tmp_path: Path) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(root)),
                                 method=SupervisedConfig())
    datasets = load_datasets(config.data)
    for file in datasets.unlabeled.files:
        Path(datasets.unlabeled.root, str(file)).unlink()
    training, reports = run(config, datasets, tmp_path / "run")
    assert training.counters.step == 10
    assert reports[-1]["ap"] == reports[-1]["ap_a"]


def test_steps_with_gradients_that_are_not_finite_change_nothing(config: Config, datasets: Datasets) -> None:
    method = build_method(config, len(datasets.skeleton))
    training = start_training(config, datasets, method, torch.device("cpu"))
    streams = streams_of(datasets, config)
    rows = {name: stream.read(range(8)) for name, stream in streams.items()}
    losses = method.losses
    method.losses = lambda *args: {name: term * float("nan") for name, term in losses(*args).items()}
    before = copy.deepcopy(method.networks.state_dict())
    _, finite = loop.step(training, method.trained, [rows], total_steps=10)
    assert not finite
    for name, value in method.networks.state_dict().items():  # BatchNorm's statistics too
        assert torch.equal(value, before[name]), name
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, max_skipped_steps=2))
    training.config = config
    with pytest.raises(Diverged, match="up to step 3"):
        loop.train(training, PlainHost(streams))


def test_too_many_bad_images_stop_the_run(config: Config, drawn_root: Path, tmp_path: Path,
                                            capsys: pytest.CaptureFixture) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(root)))
    datasets = load_datasets(config.data)
    for file in datasets.unlabeled.files[::3]:
        Path(datasets.unlabeled.root, str(file)).write_bytes(b"")
    with pytest.raises(InputError, match="images cannot be used"):
        run(config, datasets, tmp_path / "run")


def test_a_huge_step_from_finite_gradients_ends_as_diverged_and_saves_nothing(config: Config, datasets: Datasets,
                                                                              tmp_path: Path) -> None:
    huge = dataclasses.replace(config, train=dataclasses.replace(config.train, learning_rate=1e39, warmup_steps=0))
    with pytest.raises(Diverged, match=r"^the weights after step 5 are not finite; lower train.learning_rate"):
        run(huge, datasets, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_skipped_steps_alone_are_no_divergence_and_give_no_loss(config: Config, datasets: Datasets, tmp_path: Path
                                                              ) -> None:
    """All five steps of the epoch are skipped, of ten that may be: the networks are as they began."""
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=1))
    method = build_method(config, len(datasets.skeleton))
    training = start_training(config, datasets, method, torch.device("cpu"))
    losses = method.losses
    method.losses = lambda *args: {name: term * float("nan") for name, term in losses(*args).items()}
    host = Host(streams_of(datasets, config), folder=tmp_path)
    loop.train(training, host)
    (report,) = host.reports
    assert report["loss"] is None and report["peak_confidence"] is None
    assert 0 <= report["ap"] <= 1 and not any(value != value for value in report.values())


def test_bfloat16_learns_too(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, precision="bfloat16", epochs=1))
    training, reports = run(config, datasets, tmp_path)
    assert 0 < reports[0]["loss"] < 1
    parameters = list(training.method.networks.parameters())
    assert parameters and all(p.dtype == torch.float32 and p.isfinite().all() for p in parameters)


def test_means_of_many_steps_are_means_whatever_their_terms_are_computed_in() -> None:
    means = loop._Means()
    terms = torch.linspace(0.4, 0.6, 5000).bfloat16()
    for term in terms:
        means.add({"peak_confidence": term})
    assert means.result()["peak_confidence"] == pytest.approx(float(terms.double().mean()), rel=1e-4)


def test_a_long_gradient_is_shortened_before_the_step(config: Config, datasets: Datasets) -> None:
    """To nearly nothing: what Adam makes of it has the same size, so its first moment tells."""
    moments = {}
    for longest in (None, 1e-3):
        clipped = change(config, {"train.clip_norm": longest})
        training = start_training(clipped, datasets, build_method(clipped, 17), torch.device("cpu"))
        loop.train(training, PlainHost(streams_of(datasets, clipped)), until=1)
        states = training.optimizer.state_dict()["state"].values()
        moments[longest] = torch.cat([state["exp_avg"].flatten() for state in states]).norm()
    assert moments[None] > 10 * moments[1e-3] and float(moments[1e-3]) == pytest.approx(0.1 * 1e-3, rel=1e-3)


def test_the_speed_is_that_of_the_steps_alone(config: Config, datasets: Datasets, tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(loop.time, "monotonic", lambda: now)

    def evaluates(*_: object) -> dict[str, float]:
        nonlocal now
        now += 1000.0
        return {}

    def steps(*_: object) -> tuple[dict[str, torch.Tensor], bool]:
        nonlocal now
        now += 2.0
        return {"loss": torch.zeros(())}, True

    monkeypatch.setattr(loop, "_evaluate", evaluates)
    monkeypatch.setattr(loop, "step", steps)
    _, reports = run(config, datasets, tmp_path)
    assert [report["steps_per_second"] for report in reports] == [0.5, 0.5]


def test_an_epoch_is_one_pass_over_the_larger_set(config: Config, datasets: Datasets) -> None:
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    assert (len(datasets.unlabeled), config.train.batch_size, training.steps_per_epoch) == (40, 8, 5)


def test_a_worker_that_does_the_shares_of_two_takes_the_step_of_two(config: Config, datasets: Datasets) -> None:
    """The gradient is the mean over the shares, whoever computes them."""
    config = dataclasses.replace(config, method=SupervisedConfig(),
                                 train=dataclasses.replace(config.train, workers=2, batch_size=4))
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    streams = streams_of(datasets, config)
    shares = [{"labeled": streams["labeled"].read(range(first, first + 4))} for first in (0, 4)]
    gradients = []
    for rows in shares:
        labeled = labeled_batch(rows["labeled"], torch.device("cpu"), config.data.sigma)
        terms = training.method.losses(training.method.trained, labeled, None, 0)
        training.optimizer.zero_grad()
        terms["loss"].backward()
        gradients.append([parameter.grad.clone() for parameter in training.method.trained.parameters()])
    loop.step(training, training.method.trained, shares, total_steps=10)
    for parameter, one, other in zip(training.method.trained.parameters(), *gradients, strict=True):
        torch.testing.assert_close(parameter.grad, (one + other) / 2)


def test_two_shares_a_step_make_as_many_steps_as_two_workers(config: Config, datasets: Datasets, tmp_path: Path
                                                             ) -> None:
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, workers=2, batch_size=4))
    training, reports = run(config, datasets, tmp_path)
    assert training.counters.step == 10  # as many as with 8 on one worker
    assert [report["step"] for report in reports] == [5, 10]


def test_an_interruption_saves_the_step_and_owes_its_evaluation(config: Config, datasets: Datasets, tmp_path: Path
                                                                ) -> None:
    through, reports = run(config, datasets, tmp_path / "through")
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    class Leaving(Host):
        def interrupted(self, step: int) -> Interruption | None:
            return Interruption.LEAVE if step == 5 else None

    with pytest.raises(Interrupted, match="after step 5") as interrupted:
        loop.train(training, Leaving(streams_of(datasets, config), folder=tmp_path))
    assert not interrupted.value.stop
    resumed, rest = run(config, datasets, tmp_path, resume_from=tmp_path / checkpoints.folder_name(5))
    assert [report["step"] for report in rest] == [5, 10]
    assert measured(rest) == measured(reports)
    for name, tensor in through.method.networks.state_dict().items():
        assert torch.equal(tensor, resumed.method.networks.state_dict()[name]), name


def test_an_evaluation_that_is_killed_costs_no_step(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    class Killing(Host):
        def keep(self, predictor: str, results: object) -> None:
            raise Killed

    through, reports = run(config, datasets, tmp_path / "through")
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    with pytest.raises(Killed):
        loop.train(training, Killing(streams_of(datasets, config), folder=tmp_path))
    assert checkpoints.load(tmp_path / checkpoints.folder_name(5)).counters.step == 5
    resumed, rest = run(config, datasets, tmp_path, resume_from=tmp_path / checkpoints.folder_name(5))
    assert measured(rest) == measured(reports)
    for name, tensor in through.method.networks.state_dict().items():
        assert torch.equal(tensor, resumed.method.networks.state_dict()[name]), name


KILLED_MID_EPOCH = """
import dataclasses, os, signal, sys, torch
from pathlib import Path
from trs import checkpoint as checkpoints, config as configs, loop
from jobs.run_folder.checkpoints import load_newest_whole
from trs.data.datasets import load_datasets
from trs.data.reader import read_ahead, stream_of
from trs.host import PlainHost
from trs.methods.build import build_method
from trs.training import start_training

folder, die_at = Path(sys.argv[1]), int(sys.argv[2])
config = configs.load(folder / "config.yaml")
datasets = load_datasets(config.data)
found = load_newest_whole(folder)
training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"), found)
streams = {"labeled": stream_of(datasets.labeled, datasets.skeleton.flip_order, config),
           "unlabeled": stream_of(datasets.unlabeled, datasets.skeleton.flip_order, config)}

class Host(PlainHost):
    def read(self, shares):
        for number, rows in enumerate(read_ahead(self.streams, shares), training.counters.step):
            if number == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            with open(folder / "ids.txt", "a") as file:
                file.write(f"{number} {' '.join(map(str, rows['unlabeled']['id']))}\\n")
            yield rows

    def save(self, training):
        training.save(folder / checkpoints.folder_name(training.counters.step))

loop.train(training, Host(streams, checkpoint_every=2))
"""


def test_killed_mid_epoch_each_person_comes_once_an_epoch(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=1))
    configs.save(config, tmp_path / "config.yaml")
    command = [sys.executable, "-c", KILLED_MID_EPOCH, str(tmp_path)]
    assert subprocess.run([*command, "3"]).returncode == -signal.SIGKILL
    first = [line.split() for line in (tmp_path / "ids.txt").read_text().splitlines()]
    assert [line[0] for line in first] == ["0", "1", "2"]
    assert subprocess.run([*command, "-1"]).returncode == 0
    lines = [line.split() for line in (tmp_path / "ids.txt").read_text().splitlines()]
    assert [line[0] for line in lines] == ["0", "1", "2", "2", "3", "4"]  # one step is lost, and done again
    assert lines[2] == lines[3]
    trained = [int(identity) for line in lines[:2] + lines[3:] for identity in line[1:]]
    assert sorted(trained) == sorted(datasets.unlabeled.ids)
