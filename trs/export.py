"""A trained network as ONNX: from images to poses in one graph, compared with the checkpoint before it is written.

Legend: B images, K keypoints, H W image, h w heatmap.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from trs.data.batch import normalize
from trs.data.heatmaps import decode_quarter
from trs.errors import InputError
from trs.evaluation.predictor import Predictor
from trs.evaluation.protocol import ENSEMBLE
from trs.files import whole_file
from trs.models.inference import read_heatmaps

TOLERANCE = 1e-3
"""Largest difference between the heatmaps of the file and of the checkpoint; a clear keypoint's heatmap peaks at 1."""
_NEEDED = ("onnx", "onnxscript", "onnxruntime")


class ExportedNetwork(nn.Module):
    """One network of a checkpoint, or the mean of its peers, with what lies before and behind it; no flip test."""

    def __init__(self, predictor: Predictor, name: str) -> None:
        super().__init__()
        names = predictor.method.peers if name == ENSEMBLE else (name,)
        self.networks = nn.ModuleList(predictor.method.predictors[one] for one in names)
        self.fuse = predictor.config.model.fuse

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the poses in crops of the training's input size.

        Args:
            images: [B, H, W, 3] uint8 RGB.

        Returns:
            heatmaps: [B, K, h, w] float32.
            keypoints: [B, K, 3] float32 x, y in pixels of the crop (continuous, see `trs.data.geometry`; decoded to a
                quarter of a cell) and confidence.
        """
        normalized = normalize(images)
        heatmaps = torch.stack([read_heatmaps(network, normalized, self.fuse, None)
                                for network in self.networks]).mean(0)
        keypoints, confidence = decode_quarter(heatmaps)
        return heatmaps, torch.cat([keypoints, confidence[..., None]], dim=-1)


def require_onnx() -> None:
    """Raises InputError if a package that the export needs is not installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"the export needs {', '.join(missing)}; install them with: pip install -e '.[export]'")


def export(predictor: Predictor, name: str, out: Path) -> float:
    """Write a network to `out`, with keypoint names, limbs and input size in the file's metadata.

    The file appears only if it computes what the checkpoint computes.

    Args:
        predictor: the checkpoint's networks, on the CPU.
        name: which network, one of `predictor.names`.
        out: the ONNX file.

    Returns: the largest difference between the heatmaps of the file and of the checkpoint on three random images.

    Raises:
        InputError: the difference is larger than TOLERANCE.
    """
    import onnx

    model = ExportedNetwork(predictor, name).eval()
    size = predictor.config.data.input_size
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8))
    program = torch.onnx.export(model, (images[:2],), dynamo=True, input_names=["images"], verbose=False,
                                output_names=["heatmaps", "keypoints"],
                                dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}})
    assert program is not None  # it is None only where a file is named
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {
        "keypoints": json.dumps(predictor.skeleton.names), "limbs": json.dumps(predictor.skeleton.limbs),
        "input_size": json.dumps(size), "network": name})
    with whole_file(out) as partial:
        partial.write_bytes(proto.SerializeToString())
        difference = _difference(partial, model, images)
        if not difference <= TOLERANCE:
            raise InputError(f"the exported network's heatmaps differ by {difference:.2g} from the checkpoint's; "
                             "nothing was written")
    return difference


def _difference(file: Path, model: nn.Module, images: Tensor) -> float:
    """The largest difference between the heatmaps of file and model, on a batch of another size than was exported."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    found = session.run(["heatmaps"], {"images": images.numpy()})[0]
    with torch.no_grad():
        return float((torch.from_numpy(found) - model(images)[0]).abs().max())
