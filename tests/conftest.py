"""Shared inputs: drawn people, a config that trains on them in seconds, real pictures, and a Ray cluster."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from trs.config import Config, demo
from trs.data.drawn import draw_dataset
from trs.data.sets import Sets, load_sets

# Two cores shared by several processes: more threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def drawn_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 48 drawn people to train on and 13 to validate on."""
    root = tmp_path_factory.mktemp("drawn") / "people"
    draw_dataset(root, train_count=48, val_count=13, seed=3)
    return root


@pytest.fixture(scope="session")
def config(drawn_root: Path) -> Config:
    """Tiny networks, two epochs of five steps."""
    base = demo()
    return dataclasses.replace(
        base,
        data=dataclasses.replace(base.data, root=str(drawn_root), labeled_count=8, input_size=(64, 64)),
        model=dataclasses.replace(base.model, head_channels=16),
        train=dataclasses.replace(base.train, epochs=2, batch_size=8, seed=5),
        eval=dataclasses.replace(base.eval, batch_size=4))


@pytest.fixture(scope="session")
def sets(config: Config) -> Sets:
    """The sets of `config`."""
    return load_sets(config.data)


def shared_data(name: str) -> Path:
    """A folder of the real test data, or a skip with the reason."""
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the real pictures are not here: {name}")
    return folder


@pytest.fixture
def lspet() -> Path:
    """Leeds Sports Pose Extended in COCO layout."""
    return shared_data("lspet")


@pytest.fixture
def coco_small() -> Path:
    """Genuine COCO pictures and annotations."""
    return shared_data("coco_small")


@pytest.fixture
def samples() -> Path:
    """A few genuine pictures and records of MPII, AI Challenger and CrowdPose."""
    return shared_data("samples")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Ray with a private folder, shut down by its handle at the end."""
    import ray  # only here: the tests of trs must not need it

    from jobs import cluster

    temporary = tempfile.mkdtemp(prefix="ray-")  # short: the paths of Ray's sockets may not exceed 107 characters
    address = os.environ.pop("RAY_ADDRESS", None)
    cluster.quieten()
    # The dashboard must run: without it Ray leaks the reservations of trials that a scheduler stopped.
    ray.init(num_cpus=8, include_dashboard=True, dashboard_host="127.0.0.1",
             logging_level=logging.WARNING, log_to_driver=False,
             _temp_dir=temporary, _system_config={"num_workers_soft_limit": 32})
    yield
    ray.shutdown()
    if address is not None:
        os.environ["RAY_ADDRESS"] = address
    shutil.rmtree(Path(temporary), ignore_errors=True)
