"""The lines that a person follows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jobs.runs import epoch_line, measure_of, protocol
from trs.config import Config, mpii_1k

METRICS = {"epoch": 2, "loss": 0.01, "steps_per_second": 3.0, "seconds_left": 100.0, "bad_images": 0, "peak_heat": 0.4,
           "ap": 0.5, "ap_a": 0.4, "pckh": 0.7, "pckh_a": 0.6, "head_pckh": 0.9}


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


def test_an_epochs_line_shows_the_metric_that_is_searched() -> None:
    assert "AP 0.500  (a 0.400)" in epoch_line(METRICS, 3)
    assert "PCKh 0.700  (a 0.600)" in epoch_line(METRICS, 3, "pckh")
