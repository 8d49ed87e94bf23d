"""A run's folder, and what its numbers are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from trs.config import Config
from trs.evaluation.protocol import measure_of, protocol, sigmas_from
from trs.presets import mpii_1k
from trs.skeleton import of_names


@pytest.mark.parametrize(("metric", "measure"), [
    ("ap", "ap"), ("ar50", "ap"), ("ap_reviewer_a", "ap"), ("pck", "pck"), ("pck_b", "pck"), ("pckh", "pckh"),
    ("head_pckh", "pckh"), ("pckh_ensemble", "pckh")])
def test_every_metric_belongs_to_a_measure(metric: str, measure: str) -> None:
    assert measure_of(metric) == measure


def test_the_protocol_says_what_a_head_size_is(tmp_path: Path) -> None:
    base = mpii_1k()
    config = dataclasses.replace(base, data=dataclasses.replace(base.data, root=str(tmp_path)))
    assert "upper neck to head top" in protocol(config)
    (tmp_path / "annot").mkdir()
    (tmp_path / "annot" / "gt_valid.mat").touch()
    assert "0.6 of the head box" in protocol(config)
    assert protocol(config, metric="pck").startswith("PCK: PCK@0.2 of the box's longer side")


def test_detected_boxes_are_told() -> None:
    base = Config()
    config = dataclasses.replace(base, data=dataclasses.replace(base.data, val_detections="boxes.json"))
    assert "detected boxes with OKS-NMS" in protocol(config) and "ground-truth boxes" in protocol(base)


def test_guessed_sigmas_are_said_beside_an_ap() -> None:
    half, all_, none = (of_names(names) for names in (("nose", "left_eye", "fin", "gill"), ("fin", "gill"),
                                                      ("nose", "left_eye")))
    assert sigmas_from(half) == "body parts of COCO, for 2 of 4 keypoints a guess of 0.079"
    assert sigmas_from(all_) == "a guess of 0.079" and sigmas_from(none) == "body parts of COCO"
    assert "(sigmas: body parts of COCO, for 2 of 4 keypoints a guess of 0.079)" in protocol(Config(), skeleton=half)
    assert "sigmas" not in protocol(Config(), skeleton=none)
    assert "sigmas" not in protocol(Config(), skeleton=half, metric="pck")
