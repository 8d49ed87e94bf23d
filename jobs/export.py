"""A trained network for those who deploy it: `python -m jobs.export RUN_OR_CHECKPOINT --out pose.onnx`."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from jobs import cli
from trs.data.batch import normalize
from trs.data.heatmaps import decode_quarter
from trs.errors import InputError
from trs.evaluation.predictor import ENSEMBLE, Predictor, load_predictor
from trs.models.inference import read_heatmaps

TOLERANCE = 1e-3
"""Largest difference of heat between the file and the checkpoint; a sure keypoint's heat is about 1."""
_NEEDED = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Command:
    """Write a network as ONNX, and compare what it computes with the checkpoint."""

    checkpoint: tyro.conf.Positional[Path]
    """A checkpoint's folder, or a run's, whose latest checkpoint is taken."""
    out: Path = Path("pose.onnx")
    """The file to write."""
    network: str = "a"
    """Which network, such as a or reviewer_a; `ensemble` computes all peers."""


class Deployed(nn.Module):
    """From pictures to poses in one graph.

    images [B, H, W, 3] uint8 RGB, crops of the training's input size -> heatmaps [B, K, h, w], and keypoints [B, K, 3]:
    x, y in pixels of the crop (continuous, see `trs.data.geometry`; quarter-cell decoding) and heat. No flip test.
    """

    def __init__(self, predictor: Predictor, name: str) -> None:
        super().__init__()
        names = predictor.method.peers if name == ENSEMBLE else (name,)
        self.networks = nn.ModuleList(predictor.method.predictors[one] for one in names)
        self.fuse, self.flip_order = predictor.config.model.fuse, predictor.skeleton.flip_order

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See above."""
        normalized = normalize(images)
        heatmaps = torch.stack([read_heatmaps(network, normalized, False, self.fuse, self.flip_order)
                                for network in self.networks]).mean(0)
        keypoints, heat = decode_quarter(heatmaps)
        return heatmaps, torch.cat([keypoints, heat[..., None]], dim=-1)


def export(predictor: Predictor, name: str, out: Path) -> float:
    """Write `out`, with names, limbs and input size in its metadata; it appears only if it computes the same.

    Returns: the largest difference of heat on two random pictures.

    Raises:
        InputError: it computes something else.
    """
    import onnx

    model = Deployed(predictor, name).eval()
    size = predictor.config.data.input_size
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8))
    partial = out.with_name(f"{out.name}.partial")
    program = torch.onnx.export(model, (pictures[:2],), dynamo=True, input_names=["images"], verbose=False,
                                output_names=["heatmaps", "keypoints"],
                                dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}})
    assert program is not None  # it is where no file is named
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {
        "keypoints": json.dumps(predictor.skeleton.names), "limbs": json.dumps(predictor.skeleton.limbs),
        "input_size": json.dumps(size), "network": name})
    try:
        partial.write_bytes(proto.SerializeToString())
        difference = _difference(partial, model, pictures)
        if not difference <= TOLERANCE:
            raise InputError(f"the exported network's heat differs by {difference:.2g} from the checkpoint's; nothing "
                             "was written")
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _difference(file: Path, model: nn.Module, pictures: Tensor) -> float:
    """On another number of pictures than the export has seen."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    found = session.run(["heatmaps"], {"images": pictures.numpy()})[0]
    with torch.no_grad():
        return float((torch.from_numpy(found) - model(pictures)[0]).abs().max())


def main(arguments: list[str]) -> None:
    """Export, and say what the file takes and gives."""
    command = tyro.cli(Command, args=arguments, prog="python -m jobs.export")
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"the export needs {', '.join(missing)}; install them with: pip install -e '.[export]'")
    if not command.out.absolute().parent.is_dir():
        raise InputError(f"there is no folder {command.out.parent} to write {command.out.name} to")
    predictor = load_predictor(command.checkpoint, torch.device("cpu"))
    if command.network not in predictor.names:
        raise InputError(f"--network {command.network}: this checkpoint has {', '.join(predictor.names)}")
    difference = export(predictor, command.network, command.out)
    height, width = predictor.config.data.input_size
    print(f"{command.out}: network {command.network}, images [B, {height}, {width}, 3] uint8 RGB -> heatmaps, "
          f"keypoints [B, {len(predictor.skeleton)}, 3] of x, y, heat; differs from the checkpoint by {difference:.1g}")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
