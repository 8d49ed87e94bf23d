import dataclasses
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from trs.config import ModelConfig
from trs.errors import InputError
from trs.models.backbone import build_backbone
from trs.models.pose import Peers, build_pose_network

TINY = ModelConfig(backbones=("resnet_tiny", "resnet_tiny"), head_channels=8)


@pytest.mark.parametrize("name", ["resnet_tiny", "resnet_small", "resnet18", "resnet50", "hrnet_w32"])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_every_level_gives_heatmaps_at_a_quarter_of_the_input(name: str, levels: int) -> None:
    network = build_pose_network(dataclasses.replace(TINY, levels=levels), name, keypoint_count=5, seed=0)
    assert network(torch.randn(2, 3, 64, 96)).shape == (levels, 2, 5, 16, 24)


@pytest.mark.parametrize("name", ["resnet_tiny", "resnet18", "hrnet_w32"])
@pytest.mark.parametrize("levels", [1, 2])
def test_everything_that_is_not_frozen_gets_a_gradient(name: str, levels: int) -> None:
    """DDP would wait for ever for the others."""
    network = build_pose_network(dataclasses.replace(TINY, levels=levels), name, keypoint_count=5, seed=0)
    network(torch.randn(2, 3, 64, 64)).sum().backward()
    assert [key for key, parameter in network.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


def test_an_hrnets_levels_are_its_branches_from_the_finest_on() -> None:
    backbone = build_backbone("hrnet_w32").eval()
    maps = backbone(torch.randn(1, 3, 64, 64))
    assert [tuple(features.shape[1:]) for features in maps] == [(256, 2, 2), (128, 4, 4), (64, 8, 8), (32, 16, 16)]
    network = build_pose_network(dataclasses.replace(TINY, levels=2), "hrnet_w32", keypoint_count=5, seed=0)
    assert [len(list(head)) for head in network.heads] == [1, 4]  # no doubling, then one


def test_an_hrnets_weights_load_from_a_file_or_say_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                                   ) -> None:
    source = timm.create_model("hrnet_w32")
    save_file(source.state_dict(), tmp_path / "hrnet.safetensors")
    backbone = build_backbone("hrnet_w32", str(tmp_path / "hrnet.safetensors"))
    assert torch.equal(backbone.network.conv2.weight, source.conv2.weight)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"fetch its model\.safetensors and name it under model\.pretrained"):
        build_backbone("hrnet_w32", "imagenet")


def test_the_seed_alone_decides_the_weights() -> None:
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    first, again, other = (build_pose_network(TINY, "resnet_tiny", 5, seed) for seed in (4, 4, 5))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_stages_equal_torchvisions_network() -> None:
    backbone = build_backbone("resnet18").eval()
    reference = torchvision.models.resnet18(weights=None).eval()
    state = dict(zip(reference.state_dict(), backbone.state_dict().values(), strict=False))
    reference.load_state_dict(state, strict=False)
    images = torch.randn(1, 3, 64, 64)
    x = reference.maxpool(reference.relu(reference.bn1(reference.conv1(images))))
    for number, features in enumerate(backbone(images), start=1):
        x = getattr(reference, f"layer{number}")(x)
        torch.testing.assert_close(features, x)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_pretrained_weights_load_from_a_file(tmp_path: Path, suffix: str) -> None:
    source = torchvision.models.resnet18(weights=None)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(source.state_dict(), path)
    else:
        save_file(source.state_dict(), path)
    backbone = build_backbone("resnet18", str(path))
    assert torch.equal(backbone.stages[3][1].conv2.weight, source.layer4[1].conv2.weight)
    assert torch.equal(backbone.stem[0].weight, source.conv1.weight)


def test_absent_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"download https://download\.pytorch\.org/models/resnet18-\w+\.pth to"):
        build_backbone("resnet18", "imagenet")
    with pytest.raises(InputError, match=r"no pretrained weights at nowhere\.pth"):
        build_backbone("resnet18", "nowhere.pth")


def test_imagenet_weights_are_found_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    source = torchvision.models.resnet18(weights=None)
    torch.save(source.state_dict(), cache / "resnet18-f37072fd.pth")
    assert torch.equal(build_backbone("resnet18", "imagenet").stem[0].weight, source.conv1.weight)


def test_weights_of_another_network_and_pickles_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "resnet50.pth"
    torch.save(torchvision.models.resnet50(weights=None).state_dict(), other)
    with pytest.raises(InputError, match="does not hold"):
        build_backbone("resnet18", str(other))

    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "it ran",)

    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="does not hold plain weights"):
        build_backbone("resnet18", str(tmp_path / "evil.pth"))
    assert not (tmp_path / "it ran").exists()


def test_peers_run_each_network_on_its_own_images() -> None:
    networks = {name: build_pose_network(TINY, "resnet_tiny", 3, seed).eval() for seed, name in enumerate("ab")}
    images = {name: torch.randn(2, 3, 32, 32) for name in "ab"}
    heatmaps = Peers(networks)(images)
    for name in "ab":
        torch.testing.assert_close(heatmaps[name], networks[name](images[name]))
