"""What a node says of itself, and what is made of it: versions, storage, images, weights, drivers, shared memory."""

from __future__ import annotations

import dataclasses
import inspect
import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from jobs.cluster.node import (
    HANG_DETECTOR,
    NodeReport,
    Question,
    absent_weights,
    difference,
    no_driver,
    no_hang_detector,
    report,
    store_on_disk,
    unfit_driver,
)
from trs.config import Config
from trs.presets import coco_1k

GIB = 2**30


@pytest.fixture
def asked(tmp_path: Path) -> Question:
    """A node that is asked by a driver on this machine, for a training that starts from scratch."""
    probe = tmp_path / "probe"
    probe.mkdir()
    (probe / "driver").write_text(probe.name)
    image = tmp_path / "a.jpg"
    image.write_bytes(b"12345")
    return Question(probe, (str(image),), Config(), 17)


def test_a_machine_does_not_differ_from_itself(asked: Question) -> None:
    here = report(asked)
    assert here.storage is None and here.weights is None and list(here.sizes.values()) == [5]
    assert None not in here.versions.values() and here.versions["Python"] == platform.python_version()
    assert 0 < here.memory <= psutil.virtual_memory().total
    assert here.store is None, "this is no node of a cluster"
    assert difference("n", here, here) is None


def test_other_images_are_told(asked: Question) -> None:
    here = report(asked)
    image = Path(asked.files[0])
    image.write_bytes(b"123")
    assert "a.jpg: 3 bytes instead of 5" in str(difference("n", here, report(asked)))
    image.unlink()
    assert "no such file instead of 5" in str(difference("n", here, report(asked)))


def test_other_storage_is_told(asked: Question) -> None:
    here = report(asked)
    (asked.probe / "driver").write_text("another")
    assert "sees other files" in str(difference("n", here, report(asked)))
    (asked.probe / "driver").unlink()
    assert "does not see what this one writes" in str(difference("n", here, report(asked)))


@pytest.mark.parametrize("package, version, told", [
    ("torch", "2.11.0", "node n has torch 2.11.0, this one "), ("optuna", None, "node n has optuna None, this one "),
    ("Python", "3.10.13", "node n has Python 3.10.13, this one ")])
def test_other_versions_are_told(asked: Question, package: str, version: str | None, told: str) -> None:
    here = report(asked)
    there = dataclasses.replace(here, versions={**here.versions, package: version})
    assert told in str(difference("n", here, there))


def test_a_patch_of_python_is_none_of_them(asked: Question) -> None:
    here = report(asked)
    patched = ".".join([*platform.python_version_tuple()[:2], "99"])
    assert difference("n", here, dataclasses.replace(here, versions={**here.versions, "Python": patched})) is None


def test_weights_that_a_node_does_not_have_are_told(asked: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                   ) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    said = difference("n", report(asked), report(dataclasses.replace(asked, config=coco_1k())))
    assert said is not None and said.startswith("node n cannot start the networks: the ImageNet weights of ")
    assert str(tmp_path / "empty") in said and "TORCH_HOME names on every node" in said


def of_gpus(cuda: int | None) -> NodeReport:
    return NodeReport({}, None, {}, None, cuda, None, 16 * GIB)


@pytest.mark.parametrize("torchs, drivers, told", [
    ("13.0", 12, "a driver of NVIDIA's for CUDA 12 and older, and torch of CUDA 13.0 wants 580 or later"),
    ("12.8", 11, "wants 525 or later"), ("14.0", 13, "wants a later one"), (None, 13, "installed without CUDA"),
    ("13.0", 13, None), ("12.8", 13, None), ("13.0", None, None)])
def test_a_driver_that_torch_cannot_use_is_told(torchs: str | None, drivers: int | None, told: str | None) -> None:
    said = unfit_driver("n", torchs, of_gpus(drivers))
    assert said is None if told is None else told in str(said)


def test_a_driver_that_is_not_seen_is_told() -> None:
    assert no_driver("n", of_gpus(13)) is None and "no driver of NVIDIA's is seen there" in str(
        no_driver("n", of_gpus(None)))


def test_where_no_worker_can_run_no_weights_are_looked_for(asked: Question, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    assert report(dataclasses.replace(asked, config=coco_1k())).weights is not None
    assert report(dataclasses.replace(asked, config=None)).weights is None


def test_the_torch_that_is_tested_has_a_driver_that_is_known() -> None:
    assert unfit_driver("n", torch.version.cuda, of_gpus(1)) is not None


STORE = """
import ray, sys
from jobs.cluster.ray_private import store_folder
ray.init(num_cpus=1, object_store_memory=10**8, include_dashboard=False, **eval(sys.argv[1]))
print(ray.get(ray.remote(store_folder).remote()))
"""


@pytest.mark.slow
def test_an_object_store_on_disk_is_told(tmp_path: Path) -> None:
    """The pods of jobs/rayjob.yaml at 2b31d66 had 8 GiB of /dev/shm for a store of 8.9 GiB."""
    printed = subprocess.run([sys.executable, "-c", STORE, repr({"_plasma_directory": str(tmp_path)})], check=True,
                          capture_output=True, text=True).stdout
    found = Path(printed.splitlines()[-1])
    assert found == tmp_path
    shared = dataclasses.replace(of_gpus(None), store=Path("/dev/shm"))
    on_disk = dataclasses.replace(shared, store=found)
    said = store_on_disk("n", on_disk, 8.92 * GIB)
    assert said is not None and f"keeps its object store of 8.9 GiB in {tmp_path} and not in /dev/shm" in said
    assert store_on_disk("n", shared, 8.92 * GIB) is None and store_on_disk("n", of_gpus(None), 99 * GIB) is None


def test_a_node_that_cannot_be_asked_whether_it_hangs_is_told(asked: Question, tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = no_hang_detector("n", report(asked))
    assert said is not None and "node n lacks the program ncclras" in said and "libnccl-dev" in said
    (tmp_path / "ncclras").touch(0o755)
    assert no_hang_detector("n", report(asked)) is None
    nccl_ras = pytest.importorskip("ray.train.v2._internal.callbacks.nccl_ras", reason="comes with Ray 2.60")
    assert f'_binary_path = "{HANG_DETECTOR}"' in inspect.getsource(nccl_ras), "Ray asks another program now"


def test_without_a_node_the_process_that_asks_is_told_of_its_own_weights(asked: Question, tmp_path: Path,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    said = absent_weights("this process", report(dataclasses.replace(asked, config=coco_1k())))
    assert said is not None and said.startswith("this process cannot start the networks: the ImageNet weights of ")
    assert absent_weights("this process", report(asked)) is None
