"""The exported network against the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from jobs import export
from trs import loop
from trs.config import Config
from trs.data.batch import normalize
from trs.data.datasets import Datasets
from trs.data.heatmaps import decode_quarter
from trs.errors import InputError
from trs.evaluation.predictor import Predictor, load_predictor
from trs.methods.build import build_method


@pytest.fixture(scope="module")
def predictor(config: Config, sets: Datasets, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Of fresh networks."""
    folder = tmp_path_factory.mktemp("run")
    training = loop.start(config, sets, build_method(config, len(sets.skeleton)), torch.device("cpu"))
    training.save(folder / "checkpoint_00000000")
    return load_predictor(folder, torch.device("cpu"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["reviewer_a", "ensemble"])
def test_onnx_computes_what_the_networks_compute(predictor: Predictor, name: str, tmp_path: Path) -> None:
    assert export.export(predictor, name, tmp_path / "pose.onnx") < 1e-4
    assert [file.name for file in tmp_path.iterdir()] == ["pose.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "pose.onnx")
    pictures = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    heatmaps, keypoints = session.run(None, {"images": pictures})
    asked = predictor.method.peers if name == "ensemble" else (name,)
    with torch.no_grad():  # the mean over levels and networks, without a flip test
        expected = torch.stack([predictor.method.predictors[one](normalize(torch.from_numpy(pictures))).mean(0)
                                for one in asked]).mean(0)
    np.testing.assert_allclose(heatmaps, expected.numpy(), atol=1e-4)
    places, heat = decode_quarter(torch.from_numpy(heatmaps))
    np.testing.assert_allclose(keypoints, torch.cat([places, heat[..., None]], -1).numpy(), atol=1e-3)
    told = {prop.key: prop.value for prop in onnx.load(tmp_path / "pose.onnx").metadata_props}
    assert json.loads(told["keypoints"]) == list(predictor.skeleton.names)
    assert (json.loads(told["input_size"]), told["network"]) == ([64, 64], name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_computes_something_else_is_not_written(predictor: Predictor, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match="differs by"):
        export.export(predictor, "a", tmp_path / "pose.onnx")
    assert list(tmp_path.iterdir()) == []
