"""The paper's figures: what trained networks see, side by side, on people of the validation set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from jobs.run_folder.layout import SPLIT_FILE
from trs.data import geometry
from trs.data.datasets import Datasets, load_datasets
from trs.data.heatmaps import DECODERS, locate
from trs.data.person_table import PersonTable
from trs.data.split import load_split
from trs.evaluation.predict import Crops, read_crops
from trs.evaluation.predictor import Predictor, load_predictor
from trs.visualize import draw_skeleton, enlarge, overlay_heatmap, sheet

PEOPLE = 6
"""Rows of a figure."""
CANDIDATES = 64
"""People among whom the rows are chosen."""
_SCALE = 3
"""A crop is enlarged until its longer side has about this many hundred pixels."""


def predictions(runs: dict[str, Path]) -> np.ndarray:
    """Figure 4: a person a row; annotated first, then as the ensemble of each run's peers sees them.

    Args:
        runs: folders by their columns' titles, as in the other figures.

    Returns: [H, W, 3] uint8 RGB.
    """
    trained = {title: _Trained(folder) for title, folder in runs.items()}
    first = next(iter(trained.values()))
    crops = first.crops(first.most_labeled(PEOPLE))
    columns = [[draw_skeleton(_enlarged(image), _on(image, first.labels(crops, row)), first.datasets.skeleton)
                for row, image in enumerate(crops.images)]]
    for run in trained.values():
        keypoints, confidence = DECODERS[run.predictor.config.eval.decoder](run.predictor.heatmaps(crops))
        poses = torch.cat([keypoints, confidence[..., None]], dim=-1).double().numpy()
        columns.append([draw_skeleton(_enlarged(image), _on(image, pose), run.datasets.skeleton)
                        for image, pose in zip(crops.images, poses, strict=True)])
    return sheet(columns, ["annotated", *trained])


def heatmaps(runs: dict[str, Path]) -> np.ndarray:
    """Figure 5: a person a row; the image, then the heatmaps of network a of each run, all keypoints at once."""
    trained = {title: _Trained(folder) for title, folder in runs.items()}
    first = next(iter(trained.values()))
    crops = first.crops(first.most_labeled(PEOPLE))
    columns = [[_enlarged(image) for image in crops.images]]
    columns += [list(_glowing(crops, run.predictor.heatmaps(crops, "a"))) for run in trained.values()]
    return sheet(columns, ["image", *trained])


def teacher_and_reviewer(runs: dict[str, Path]) -> np.ndarray:
    """Figure 6: the people of whom a teacher and its reviewer see one keypoint farthest apart, and that keypoint."""
    trained = _Trained(next(iter(runs.values())))
    crops = trained.crops(trained.most_labeled(CANDIDATES))
    teacher, reviewer = (trained.predictor.heatmaps(crops, name) for name in ("a", "reviewer_a"))
    labeled = torch.as_tensor(trained.datasets.val.keypoint_weights[crops.rows] > 0)
    chosen, keypoint = farthest_apart(teacher, reviewer, labeled, PEOPLE)
    shown = Crops(crops.images[chosen.numpy()], crops.matrices[chosen.numpy()], crops.rows[chosen.numpy()])
    columns = [[_enlarged(image) for image in shown.images]]
    for seen in (teacher, reviewer):
        columns.append(list(_glowing(shown, seen[chosen, keypoint][:, None])))
    return sheet(columns, ["image", "teacher", "reviewer"])


def farthest_apart(one: Tensor, other: Tensor, labeled: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The people of whom two networks place a keypoint most differently, the farthest first, and which keypoint.

    Args:
        one: [B, K, h, w] heatmaps of a network.
        other: those of another.
        labeled: [B, K] bool; other keypoints do not count.
        count: people that are wanted.

    Returns: [count] rows and [count] keypoints.
    """
    apart = ((locate(one)[0] - locate(other)[0]).norm(dim=-1) * labeled).max(1)
    chosen = apart.values.argsort(descending=True)[:count]
    return chosen, apart.indices[chosen]


class _Trained:
    """A run's newest checkpoint, ready to look at people."""

    def __init__(self, run: Path) -> None:
        self.predictor: Predictor = load_predictor(run, torch.device("cpu"))
        self.datasets: Datasets = load_datasets(self.predictor.config.data, load_split(run / SPLIT_FILE))

    def most_labeled(self, count: int) -> np.ndarray:
        """Rows of validation people with the most labeled keypoints, spread over the file."""
        labeled = self.datasets.val.keypoint_weights.sum(1)
        best = np.flatnonzero(labeled >= np.sort(labeled)[::-1][min(4 * count, len(labeled)) - 1])
        return best[np.unique(np.linspace(0, len(best) - 1, count).round().astype(int))]

    def crops(self, rows: np.ndarray) -> Crops:
        """Plain crops of people."""
        return next(read_crops(self.datasets.val, [rows], self.predictor.config.data.input_size, []))

    def labels(self, crops: Crops, index: int) -> np.ndarray:
        """[K, 3] annotated keypoints of a crop, in its pixels, and their weights."""
        people: PersonTable = self.datasets.val
        row = crops.rows[index]
        places = geometry.transform(people.keypoints[row], geometry.invert(crops.matrices[index]))
        return np.column_stack([places, people.keypoint_weights[row]])


def _factor(image: np.ndarray) -> int:
    return max(1, round(_SCALE * 100 / max(image.shape[:2])))


def _enlarged(image: np.ndarray) -> np.ndarray:
    return enlarge(image, _factor(image))


def _on(image: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """A pose in pixels of the enlarged crop."""
    return pose * [_factor(image), _factor(image), 1]


def _glowing(crops: Crops, heatmaps: Tensor) -> Iterator[np.ndarray]:
    for image, maps in zip(crops.images, heatmaps.float().numpy(), strict=True):
        yield overlay_heatmap(_enlarged(image), maps)
