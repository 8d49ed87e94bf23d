"""Pseudo labels of unlabeled people, predicted by all workers together.

What a training makes of them stands in `trs.data.pseudo_labels`, how a network's heatmaps are read for them in the
method's file.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from trs.config import Config, PseudoPoseConfig
from trs.data.person_table import PersonTable
from trs.evaluation.predict import gather, predict_with, share_of_crops
from trs.evaluation.predictor import Predictor
from trs.methods.build import METHODS
from trs.methods.pseudo_pose import PseudoPose


def pseudo_label(first_stage: Predictor, people: PersonTable, config: Config, bad_images: list[str]
                 ) -> tuple[np.ndarray, np.ndarray]:
    """Predict the poses that a method with a first stage learns from.

    Args:
        first_stage: the trained network.
        people: whom it looks at.
        config: of the second stage; its method says how to read heatmaps.
        bad_images: receives a sentence about each image that cannot be used.

    Returns: on every worker rows [n] of `people` in no order, and keypoints [n, K, 3] x, y in the image and confidence.
    """
    settings, method = config.method, METHODS[type(config.method)]
    assert isinstance(settings, PseudoPoseConfig) and issubclass(method, PseudoPose)
    network = first_stage.method.predictors[first_stage.method.peers[0]]

    def read_heatmaps(images: Tensor) -> Tensor:
        return method.label_heatmaps(network, images, settings, config.model.fuse, first_stage.skeleton.flip_order)

    poses = predict_with(read_heatmaps, share_of_crops(people, config, bad_images), config.eval.decoder,
                         first_stage.device)
    return gather(poses, people.keypoints.shape[1])
