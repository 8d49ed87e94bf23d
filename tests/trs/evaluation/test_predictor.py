"""A checkpoint as a predictor."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from trs.config import Config
from trs.data.datasets import Datasets
from trs.evaluation.predictor import load_predictor
from trs.methods.build import build_method
from trs.training import start_training


def test_a_checkpoint_needs_no_pretrained_weights(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    training = start_training(config, datasets, build_method(config, len(datasets.skeleton)), torch.device("cpu"))
    absent = dataclasses.replace(config, model=dataclasses.replace(config.model, pretrained=("gone.safetensors",)))
    dataclasses.replace(training, config=absent).save(tmp_path / "checkpoint_00000000")
    predictor = load_predictor(tmp_path, torch.device("cpu"))
    assert predictor.poses(np.zeros((32, 32, 3), np.uint8), np.zeros((0, 4))).shape == (0, 17, 3)
