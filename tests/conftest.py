"""Shared inputs: drawn people, a config that trains on them in seconds, real images, and a Ray cluster."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.cluster.connect import quieten
from trs import checkpoint as checkpoints
from trs.config import Config
from trs.data.datasets import Datasets, load_datasets
from trs.data.synthetic import draw_dataset
from trs.methods.build import build_method
from trs.presets import demo
from trs.training import Training, start_training

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
        data=dataclasses.replace(base.data, root=str(drawn_root), labeled_count=8, dev_count=None,
                                 input_size=(64, 64)),
        model=dataclasses.replace(base.model, head_channels=16),
        train=dataclasses.replace(base.train, epochs=2, batch_size=8, burn_in=0, seed=5),
        eval=dataclasses.replace(base.eval, batch_size=4))


@pytest.fixture(scope="session")
def datasets(config: Config) -> Datasets:
    """The datasets of `config`."""
    return load_datasets(config.data)


@pytest.fixture(scope="session")
def checkpoint_folder(config: Config, datasets: Datasets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with one checkpoint, of fresh networks; to be read only."""
    folder = tmp_path_factory.mktemp("run")
    training = start_training(config, datasets, build_method(config, len(datasets.skeleton)), torch.device("cpu"))
    training.save(folder / "checkpoint_00000000")
    return folder


@pytest.fixture
def saved(config: Config, datasets: Datasets, tmp_path: Path) -> tuple[Training, Path]:
    """A training after a step, and its checkpoint."""
    training = start_training(config, datasets, build_method(config, 17), torch.device("cpu"))
    for parameter in training.method.trained.parameters():
        parameter.grad = torch.randn_like(parameter)
    training.optimizer.step()
    training.counters = checkpoints.Counters(step=3, bad_images=("train/000001.jpg",))
    training.save(tmp_path / "checkpoint")
    return training, tmp_path / "checkpoint"


def shared_data(name: str) -> Path:
    """A folder of the real test data, or a skip with the reason."""
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the real images are not here: {name}")
    return folder


@pytest.fixture
def lspet() -> Path:
    """Leeds Sports Pose Extended in COCO layout."""
    return shared_data("lspet")


@pytest.fixture
def coco_small() -> Path:
    """Genuine COCO images and annotations."""
    return shared_data("coco_small")


@pytest.fixture
def samples() -> Path:
    """A few genuine images and records of MPII, AI Challenger and CrowdPose."""
    return shared_data("samples")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Ray with a private folder, shut down by its handle at the end."""
    import ray  # only here: the tests of trs must not need it


    temporary = tempfile.mkdtemp(prefix="ray-")  # short: the paths of Ray's sockets may not exceed 107 characters
    address = os.environ.pop("RAY_ADDRESS", None)
    quieten()
    # The dashboard must run: without it Ray leaks the reservations of trials that a scheduler stopped.
    ray.init(num_cpus=8, include_dashboard=True, dashboard_host="127.0.0.1",
             logging_level=logging.WARNING, log_to_driver=False,
             _temp_dir=temporary, _system_config={"num_workers_soft_limit": 32})
    yield
    ray.shutdown()
    if address is not None:
        os.environ["RAY_ADDRESS"] = address
    shutil.rmtree(Path(temporary), ignore_errors=True)


class Cloud(ThreadingHTTPServer):
    """Metadata of a machine in EC2 or Google Cloud, served as they document it."""

    taken_back = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Cloud

    def do_PUT(self) -> None:
        asked = self.path == "/latest/api/token" and "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
        self._say(200 if asked else 400, "secret")

    def do_GET(self) -> None:
        if self.path == "/latest/meta-data/spot/instance-action":
            if self.headers["X-aws-ec2-metadata-token"] != "secret":
                self._say(401, "Unauthorized")
            elif not self.server.taken_back:
                self._say(404, "Not Found")
            else:
                self._say(200, '{"action": "terminate", "time": "2026-01-01T00:00:00Z"}')
        elif self.path == "/computeMetadata/v1/instance/preempted" and self.headers["Metadata-Flavor"] == "Google":
            self._say(200, "TRUE" if self.server.taken_back else "FALSE")
        else:
            self._say(403, "Forbidden")

    def _say(self, code: int, text: str) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Set its `taken_back`, and the machine learns that it must go."""
    server = Cloud(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's headless chromium."""
    webdriver = pytest.importorskip("selenium.webdriver")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


@pytest.fixture
def browser(chromium: Any) -> Any:
    """The browser with an empty page, and nothing in its log that another test has left."""
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.get_log("browser")
    return chromium
