"""Poses of the people in one photo: drawn over it, and as records in COCO's result format.

Legend: N people in the photo, K keypoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trs.data.annotations.boxes import FindBoxes, whole_image
from trs.errors import Diverged, printable
from trs.evaluation.oks import coco_result, mean_confidence
from trs.evaluation.predict import Crops
from trs.evaluation.predictor import Predictor
from trs.evaluation.protocol import ENSEMBLE
from trs.photos.files import Photo
from trs.visualize import draw_skeleton, enlarge, grid, overlay_heatmap, sheet

_CELL = 192
"""A person's crop on a heatmap sheet is enlarged until its shorter side has about this many pixels."""


@dataclass(frozen=True, eq=False)
class PredictedPhoto:
    """What a photo shows.

    drawn: [H, W, 3] uint8 RGB, the photo with its people's skeletons.
    records: N in COCO's result format, each with the `file_name` and the `bbox` that it was predicted for.
    crops: of the N people; None where there are none.
    """

    drawn: np.ndarray
    records: list[dict[str, Any]]
    crops: Crops | None


@dataclass(frozen=True)
class PhotoPredictor:
    """Predicts and draws the poses in photos.

    predictor: the networks.
    network: whose poses, one of `predictor.names`.
    find_boxes: where the people are; None takes each photo as one person's.
    min_confidence: keypoints below it are not drawn; the records have them all.
    """

    predictor: Predictor
    network: str = ENSEMBLE
    find_boxes: FindBoxes | None = None
    min_confidence: float = 0.2

    def predict(self, photo: Photo) -> PredictedPhoto:
        """Predict the poses of the people in a photo.

        Raises:
            InputError: the checkpoint has no network of this name.
            Diverged: its poses are not finite.
        """
        boxes = whole_image(photo.image) if self.find_boxes is None else self.find_boxes(photo.file)
        if len(boxes) == 0:
            return PredictedPhoto(photo.image, [], None)
        skeleton = self.predictor.skeleton
        crops = self.predictor.crop(photo.image, boxes)
        poses = self.predictor.decode(self.predictor.heatmaps(crops, self.network), crops)
        if not np.isfinite(poses).all():
            raise Diverged(f"network {self.network} has diverged: its poses in {printable(photo.file)} are not finite; "
                           "use an earlier checkpoint")
        drawn = photo.image
        for pose in poses:
            drawn = draw_skeleton(drawn, pose, skeleton, self.min_confidence)
        records = [{**coco_result(photo.image_id, pose, score, skeleton.category_id), "file_name": photo.file,
                    "bbox": box.tolist()}
                   for pose, score, box in zip(poses, mean_confidence(poses), boxes, strict=True)]
        return PredictedPhoto(drawn, records, crops)


def heatmap_sheets(predictor: Predictor, crops: Crops) -> Iterator[np.ndarray]:
    """A sheet [H, W, 3] uint8 RGB for each person: every keypoint's heatmap over the crop, under its highest value.

    The teacher's heatmap (of peer a) is shown, and its reviewer's beside it where the method has reviewers.
    """
    names = [name for name in ("a", "reviewer_a") if name in predictor.names]
    heatmaps = {name: predictor.heatmaps(crops, name).cpu().numpy() for name in names}
    for row, crop in enumerate(crops.images):
        image = enlarge(crop, max(1, round(_CELL / min(crop.shape[:2]))))
        blocks = []
        for index, keypoint in enumerate(predictor.skeleton.names):
            maps = [heatmaps[name][row, index] for name in names]
            titles = [f"{title} {heatmap.max():.2f}" for title, heatmap in
                      zip((keypoint.replace("_", " "), "reviewer"), maps, strict=False)]
            blocks.append(sheet([[overlay_heatmap(image, heatmap)] for heatmap in maps], titles))
        yield grid(blocks, columns=max(1, round(len(blocks) ** 0.5)))
