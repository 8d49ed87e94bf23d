"""The exported network against the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from trs import export as exports
from trs.data.batch import normalize
from trs.data.heatmaps import decode_quarter
from trs.errors import InputError
from trs.evaluation.predictor import Predictor, load_predictor
from trs.export import export, require_onnx


@pytest.fixture(scope="module")
def predictor(checkpoint_folder: Path) -> Predictor:
    return load_predictor(checkpoint_folder, torch.device("cpu"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["reviewer_a", "ensemble"])
def test_onnx_computes_what_the_networks_compute(predictor: Predictor, name: str, tmp_path: Path) -> None:
    assert export(predictor, name, tmp_path / "pose.onnx") < 1e-4
    assert [file.name for file in tmp_path.iterdir()] == ["pose.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "pose.onnx")
    images = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    heatmaps, keypoints = session.run(None, {"images": images})
    asked = predictor.method.peers if name == "ensemble" else (name,)
    with torch.no_grad():  # the mean over levels and networks, without a flip test
        expected = torch.stack([predictor.method.predictors[one](normalize(torch.from_numpy(images))).mean(0)
                                for one in asked]).mean(0)
    np.testing.assert_allclose(heatmaps, expected.numpy(), atol=1e-4)
    places, confidence = decode_quarter(torch.from_numpy(heatmaps))
    np.testing.assert_allclose(keypoints, torch.cat([places, confidence[..., None]], -1).numpy(), atol=1e-3)
    told = {prop.key: prop.value for prop in onnx.load(tmp_path / "pose.onnx").metadata_props}
    assert json.loads(told["keypoints"]) == list(predictor.skeleton.names)
    assert (json.loads(told["input_size"]), told["network"]) == ([64, 64], name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_computes_something_else_is_not_written(predictor: Predictor, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match="differ by"):
        export(predictor, "a", tmp_path / "pose.onnx")
    assert list(tmp_path.iterdir()) == []


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_NEEDED", ("onnx", "onnx_of_another_world"))
    with pytest.raises(InputError, match="the export needs onnx_of_another_world; install"):
        require_onnx()
