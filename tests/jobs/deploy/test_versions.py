"""What fits what: the clusters' images, NVIDIA's driver, CUDA, Python and torch; the files of before fitted nothing.

The facts of an image are its publisher's: release notes of AWS's Deep Learning AMIs, the names of Google's families.
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from packaging.specifiers import SpecifierSet

from jobs.cluster.node import DRIVER_OF_CUDA

ROOT = Path(__file__).resolve().parents[3]
GLIBC = (2, 28)
"""Of torch's wheels, which are manylinux_2_28."""


@dataclass(frozen=True)
class Machine:
    """An image that a machine boots: its driver, as far as that is known, its python3 and its glibc."""

    driver: int | None
    python: str
    glibc: tuple[int, int]


MACHINES = {
    "base-oss-nvidia-driver-gpu-ubuntu-24.04": Machine(595, "3.12", (2, 39)),
    "ubuntu-accelerator-2404-amd64-with-nvidia-580": Machine(580, "3.12", (2, 39)),
    "common-cu128-ubuntu-2204-nvidia-570": Machine(570, "3.10", (2, 35)),
    "ami-0d88d9cbe28fac870": Machine(None, "3.6", (2, 27))}  # AWS Deep Learning AMI (Ubuntu 18.04)

SDK = {"aws": "boto3", "gcp": "google-api-python-client"}
BEFORE = {"aws": """
    provider: {type: aws}
    available_node_types: {head: {node_config: {ImageId: ami-0d88d9cbe28fac870}}}
    setup_commands: ['python3 -m pip install -U "torch>=2.11,<2.16" "ray[data,default,train,tune]==2.60.0"']
    head_setup_commands: []
""", "gcp": """
    provider: {type: gcp}
    available_node_types: {head: {node_config: {disks: [{initializeParams: {sourceImage:
        projects/deeplearning-platform-release/global/images/family/common-cu128-ubuntu-2204-nvidia-570}}]}}}
    setup_commands: ['python3 -m pip install -U "torch>=2.11,<2.16" "ray[data,default,train,tune]==2.60.0"']
    head_setup_commands: []
"""}
"""What mattered of the two files as they stood, see the table in docs/cluster.md for why."""


def faults(text: str) -> list[str]:
    """What keeps a launcher's file from starting a cluster that can train."""
    config, setup = yaml.safe_load(text), configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    names = [name for name in MACHINES if name in text]
    found = [] if len(names) == 1 else [f"the machine's image is not known: {names}"]
    tested = (ROOT / "jobs" / "deploy" / "tested.txt").read_text()
    in_container = "docker" in config
    installed = tested if in_container else "\n".join(config["setup_commands"] + config["head_setup_commands"])
    wanted = DRIVER_OF_CUDA[int(str(torch.version.cuda).partition(".")[0])]
    for machine in map(MACHINES.__getitem__, names):
        if machine.driver is not None and machine.driver < wanted:
            found.append(f"driver {machine.driver}, CUDA {torch.version.cuda} wants {wanted}")
        if not in_container and not SpecifierSet(setup["options"]["python_requires"]).contains(machine.python):
            found.append(f"Python {machine.python}")
        if not in_container and machine.glibc < GLIBC:
            found.append(f"glibc {machine.glibc}")
    if SDK[config["provider"]["type"]] not in installed:
        found.append("the head cannot start the others: no SDK")
    if "TORCH_HOME" not in text:
        found.append("ImageNet's weights are on no node")
    return found


@pytest.mark.parametrize("name", ["cluster.yaml", "docs/clusters/gcp.yaml"])
def test_the_clusters_can_train(name: str) -> None:
    assert faults((ROOT / name).read_text()) == []


@pytest.mark.parametrize(("cloud", "told"), [
    ("aws", ["Python 3.6", "glibc (2, 27)", "no SDK", "weights are on no node"]),
    ("gcp", ["driver 570", "Python 3.10", "no SDK", "weights are on no node"])])
def test_the_files_of_before_could_not(cloud: str, told: list[str]) -> None:
    found = faults(BEFORE[cloud])
    assert len(found) == len(told) and all(word in sentence for word, sentence in zip(told, found, strict=True)), found


def shared_memory_faults(pod: dict[str, Any]) -> list[str]:
    """Ray's object store wants 30 % of a node's memory in /dev/shm, else it lies on disk; KubeRay mounts one that fits
    where nobody else mounts any.
    """
    memory = min(_gib(each["resources"]["limits"]["memory"]) for each in pod["containers"])
    return [f"{volume['name']}: {volume['emptyDir']['sizeLimit']} for a node of {memory} GiB"
            for volume in pod.get("volumes", ()) if volume.get("emptyDir", {}).get("medium") == "Memory"
            and _gib(volume["emptyDir"]["sizeLimit"]) < 0.3 * memory]


def _gib(text: str) -> float:
    return float(re.fullmatch(r"([\d.]+)Gi", text)[1])


def test_the_object_store_of_a_pod_does_not_lie_on_disk() -> None:
    cluster = list(yaml.safe_load_all((ROOT / "jobs/deploy/rayjob.yaml").read_text()))[-1]["spec"]["rayClusterSpec"]
    pods = [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    assert pods and all(shared_memory_faults(pod) == [] for pod in pods)
    before = {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}
    assert shared_memory_faults({**pods[1], "volumes": [before]}) == ["memory: 8Gi for a node of 30.0 GiB"]


def test_the_page_says_which_versions_those_are() -> None:
    page, tested = (ROOT / "docs" / "cluster.md").read_text(), (ROOT / "jobs" / "deploy" / "tested.txt").read_text()
    for package in ("torch", "ray"):
        version = re.search(rf"^{package}(?:\[[\w,]+\])?==([\d.]+)$", tested, re.MULTILINE)
        assert version is not None and f"{package} {version[1]}" in page
    if torch.__version__.startswith(re.search(r"^torch==([\d.]+)$", tested, re.MULTILINE)[1]):
        assert f"| CUDA | {torch.version.cuda}," in page
    assert f"| {DRIVER_OF_CUDA[13]} or later |" in page
    assert "driver 595" in page and MACHINES["base-oss-nvidia-driver-gpu-ubuntu-24.04"].driver == 595
