"""What a number is, in a sentence."""

from __future__ import annotations

from pathlib import Path

from trs.config import Config
from trs.data.annotations import mpii
from trs.skeleton import Skeleton

ENSEMBLE = "ensemble"
"""The name of the peers' mean heatmap, beside those of the networks."""
METRIC_NAMES = {"ap": "AP", "pckh": "PCKh", "pck": "PCK"}

_MEASURES = {"ap": "COCO OKS-AP", "pckh": "PCKh@0.5 without pelvis and thorax",
             "pck": "PCK@0.2 of the box's longer side"}

_DECODERS = {"quarter": "quarter-cell decoding", "axes": "Newton decoding axis by axis", "dark": "DARK decoding",
             "udp": "UDP decoding"}


TEST = "test_"
"""What the names of the test set's metrics and predictions begin with."""


def measure_of(metric: str) -> str:
    """The measure that a metric belongs to: `ap` for `ar50`, `ap_a` and `test_ap`, `pckh` for `head_pckh`."""
    return next((name for name in ("pckh", "pck") if name in metric.split("_")), "ap")


def sigmas_from(skeleton: Skeleton) -> str:
    """Where the OKS sigmas come from; a guess is said beside every AP that it makes."""
    if not skeleton.guessed:
        return skeleton.sigmas_from
    guess = f"a guess of {skeleton.sigmas[skeleton.names.index(skeleton.guessed[0])]}"
    if len(skeleton.guessed) == len(skeleton):
        return guess
    return f"{skeleton.sigmas_from}, for {len(skeleton.guessed)} of {len(skeleton)} keypoints {guess}"


def protocol(config: Config, people: int | None = None, skeleton: Skeleton | None = None,
             metric: str | None = None) -> str:
    """A sentence that says what a metric is.

    Args:
        config: of the run.
        people: on whom it was measured.
        skeleton: whose OKS sigmas an AP rests on; a guess among them is said.
        metric: any of the evaluation's, such as `ar50`, `head_pckh` or `test_ap`; the config's own if None.
    """
    kind = "test" if (metric or "").startswith(TEST) else "validation"
    metric, evaluation = measure_of(metric or config.eval.metric), config.eval
    boxes = "ground-truth boxes" if config.data.val_detections is None else "detected boxes with OKS-NMS"
    measure = _MEASURES[metric]
    if metric == "pckh":
        heads = mpii.head_boxes_file(Path(config.data.root, config.data.val_annotations))
        measure += " (head size: 0.6 of the head box)" if heads.exists() else " (head size: upper neck to head top)"
    if metric == "ap" and skeleton is not None and skeleton.guessed:
        measure += f" (sigmas: {sigmas_from(skeleton)})"
    return (f"{METRIC_NAMES[metric]}: {measure} on {f'{people:,}' if people else 'the'} {kind} people, "
            f"{boxes}, {'' if evaluation.flip_test else 'no '}flip test, {_DECODERS[evaluation.decoder]}; the mean of "
            "the networks that the method is scored by, after a run's last epoch.")
