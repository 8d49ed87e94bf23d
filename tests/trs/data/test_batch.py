"""From rows to what a step takes."""

import numpy as np
import torch

from trs.data.batch import denormalize, labeled_batch, normalize, unlabeled_batch

CPU = torch.device("cpu")


def rows(weight: float) -> dict[str, np.ndarray]:
    return {"image": np.full((2, 32, 24, 3), 128, np.uint8), "keypoints": np.full((2, 4, 2), 12.0, np.float32),
            "keypoint_weights": np.full((2, 4), weight, np.float32), "key": np.array([3, 4])}


def test_statistics_of_rgb_meet_rgb() -> None:
    """The public code feeds BGR images to RGB's statistics: a red image must stand out in the first channel."""
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).expand(1, 8, 8, 3)
    found = normalize(red)[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]))
    assert torch.equal(denormalize(normalize(red)), red)


def test_labels_of_the_unlabeled_are_read_if_they_are_pseudo_labels_alone() -> None:
    assert unlabeled_batch(rows(1.0), CPU, 2.0).pseudo is None
    pseudo = unlabeled_batch(rows(1.0), CPU, 1.5, pseudo=True).pseudo
    labeled = labeled_batch(rows(1.0), CPU, 1.5)
    assert pseudo is not None and pseudo.sigma == labeled.sigma == 1.5
    assert torch.equal(pseudo.heatmaps, labeled.heatmaps) and pseudo.heatmaps.max() > 0.8
    assert unlabeled_batch(rows(0.0), CPU, 1.5, pseudo=True).pseudo.heatmaps.max() == 0
