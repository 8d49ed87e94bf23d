"""A trained network on any image: what is left of a training for those who use it.

    predictor = load_predictor(Path("runs/NAME/trials/0003"), torch.device("cpu"))
    poses = predictor.poses(image, boxes)

Legend: N people in one image, K keypoints.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trs import checkpoint as checkpoints
from trs.config import Config
from trs.data import geometry
from trs.data.batch import normalize
from trs.errors import InputError
from trs.evaluation.predict import Crops
from trs.evaluation.protocol import ENSEMBLE
from trs.methods.base import Method
from trs.methods.build import build_method
from trs.models.inference import poses_in_image, read_heatmaps
from trs.skeleton import Skeleton
from trs.warm_start import restore_networks


@dataclass(frozen=True)
class Predictor:
    """The networks of a checkpoint, in eval mode.

    method: with its networks on `device`.
    config: of the training; input size, flip test and decoder are used.
    skeleton: of the K keypoints.
    """

    method: Method
    config: Config
    skeleton: Skeleton
    device: torch.device

    @property
    def names(self) -> list[str]:
        """Who can be asked: the networks, and `ensemble`, the mean heatmap of the peers."""
        return [*self.method.predictors, ENSEMBLE]

    def crop(self, image: np.ndarray, boxes: np.ndarray) -> Crops:
        """What the networks see of people: image [H, W, 3] uint8 RGB, boxes [N, 4] xywh in it."""
        size = self.config.data.input_size
        matrices = [geometry.crop_matrix(box, size) for box in boxes]
        images = [geometry.warp(image, matrix, size) for matrix in matrices]
        return Crops(np.stack(images), np.stack([geometry.invert(matrix) for matrix in matrices]),
                     np.arange(len(boxes)))

    @torch.no_grad()
    def heatmaps(self, crops: Crops, name: str = ENSEMBLE) -> Tensor:
        """[N, K, h, w] float32 heatmaps of a network.

        Raises:
            InputError: there is no network of this name.
        """
        if name not in self.names:
            raise InputError(f"this checkpoint has no network {name!r}, only {', '.join(self.names)}")
        images = normalize(torch.as_tensor(crops.images).to(self.device))
        asked = self.method.peers if name == ENSEMBLE else (name,)
        return torch.stack([
            read_heatmaps(self.method.predictors[one], images, self.config.model.fuse,
                          self.skeleton.flip_order if self.config.eval.flip_test else None) for one in asked]).mean(0)

    def decode(self, heatmaps: Tensor, crops: Crops) -> np.ndarray:
        """[N, K, 3] float64: x, y in the image (continuous, see `trs.data.geometry`) and the confidence there."""
        matrices = torch.as_tensor(crops.matrices, device=self.device)
        return poses_in_image(heatmaps, matrices, self.config.eval.decoder).cpu().numpy()

    def poses(self, image: np.ndarray, boxes: np.ndarray, name: str = ENSEMBLE) -> np.ndarray:
        """Poses [N, K, 3] of the people in an image, as `decode` gives them."""
        if len(boxes) == 0:
            return np.zeros((0, len(self.skeleton), 3))
        crops = self.crop(image, boxes)
        return self.decode(self.heatmaps(crops, name), crops)


def load_predictor(folder: Path, device: torch.device) -> Predictor:
    """The predictor of a checkpoint, or of a run's newest.

    Raises:
        InputError: there is none, or it is damaged.
    """
    checkpoint = checkpoints.load(checkpoints.newest(folder))
    # Its weights come from the checkpoint: the backbone's need not be there.
    model = dataclasses.replace(checkpoint.config.model, pretrained=())
    method = build_method(dataclasses.replace(checkpoint.config, model=model), len(checkpoint.skeleton))
    restore_networks(method.networks, checkpoint)
    method.networks.to(device).eval()
    return Predictor(method, checkpoint.config, checkpoint.skeleton, device)
