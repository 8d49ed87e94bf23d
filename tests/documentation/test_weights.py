"""The weights that docs/cluster.md fetches are what its trainings start from, and lie where they are looked for."""

from __future__ import annotations

import re
import shlex

import pytest
import timm
import torchvision.models
import yaml

from tests.documentation.commands import ROOT
from trs.config.model import TIMM, ModelConfig
from trs.models.backbone import build_backbone
from trs.presets import PRESETS

PAGE = (ROOT / "docs" / "cluster.md").read_text().replace("\\\n", " ")
JOB = (ROOT / "jobs" / "deploy" / "rayjob.yaml").read_text()
STORAGE = (ROOT / "jobs" / "deploy" / "storage.yaml").read_text().replace("\\\n#", " ")
SLURM = (ROOT / "docs" / "clusters" / "slurm.sh").read_text()
FILES = ["cluster.yaml", "docs/clusters/gcp.yaml", "docs/clusters/on-premise.yaml", "docs/clusters/slurm.sh",
         "jobs/deploy/rayjob.yaml"]
PLACES = {"TORCH_HOME": "/shared/weights", "HF_HOME": "/shared/weights/huggingface"}


def wanted(model: ModelConfig) -> set[str]:
    """The address of each file of torchvision's, and the repository of each of timm's."""
    found = set[str]()
    for peer in range(2):
        backbone, weights = model.backbone_of(peer), model.pretrained_of(peer)
        assert weights is not None
        if weights == "imagenet" and not backbone.startswith((TIMM, "hrnet")):
            found.add(torchvision.models.get_model_weights(backbone)["IMAGENET1K_V1"].url)
        else:
            known = timm.models.get_pretrained_cfg(weights.removeprefix(TIMM))
            assert known is not None and known.hf_hub_id is not None
            found.add(known.hf_hub_id)
    return found


def fetched(text: str, through: str) -> set[str]:
    """What a text fetches through a command, in the same words."""
    found = set[str]()
    for line in text.splitlines():
        if through not in line:
            continue
        command = " ".join(shlex.split(line.partition(through)[2], comments=True))
        if command.startswith("wget "):
            folder, address = command.removeprefix("wget -P ").split()
            assert folder == f"{PLACES['TORCH_HOME']}/hub/checkpoints"
            found.add(address)
        elif command.startswith("hf download "):
            repository, file = command.removeprefix("hf download ").split()
            assert file == "model.safetensors"
            found.add(repository)
    return found


def wanted_by(*texts: str) -> set[str]:
    """What the presets of the commands of texts start from."""
    return {file for text in texts for name in re.findall(r"--preset ([\w-]+)", text)
            for file in wanted(PRESETS[name]().model)}


def test_what_is_fetched_is_what_the_trainings_start_from() -> None:
    files = wanted_by(PAGE, SLURM)
    assert len(files) == 3 and fetched(PAGE, "ray exec cluster.yaml ") == files


def test_the_job_for_kubernetes_finds_what_it_starts_from() -> None:
    for text in (PAGE, STORAGE):
        assert fetched(text, "kubectl exec trs-files -- ") == wanted_by(JOB)


def test_the_weights_that_the_image_brings_are_of_the_backbone_that_is_named() -> None:
    found = re.search(r"`--model\.pretrained (\w+)`,\s+which goes with `--model\.backbones (\S+)`", PAGE)
    assert found is not None
    build_backbone(found[2], found[1])


@pytest.mark.parametrize("name", FILES)
def test_every_node_looks_for_them_there(name: str) -> None:
    text = (ROOT / name).read_text()
    found = {place: set(re.findall(rf"{place}(?:=|, value: )([^\s}}]+)", text)) for place in PLACES}
    assert found == {place: {path} for place, path in PLACES.items()}
    if name == "jobs/deploy/rayjob.yaml":
        cluster = list(yaml.safe_load_all(text))[-1]["spec"]["rayClusterSpec"]
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            (container,) = group["template"]["spec"]["containers"]
            assert PLACES.items() <= {each["name"]: each["value"] for each in container["env"]}.items()
