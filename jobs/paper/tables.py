"""The paper's tables, and one of our own, as lists of trainings beside the published numbers.

Numbers in percent, from "A New Teacher-Reviewer-Student Framework for Semi-supervised 2D Human Pose Estimation".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jobs.config import ClusterConfig, preset
from jobs.paper import figures
from jobs.paper.runs import Run
from trs import presets
from trs.config import (
    Config,
    DataDistillConfig,
    DualConfig,
    MeanTeacherConfig,
    MethodConfig,
    PseudoPoseConfig,
    SingleConfig,
    SSPCMConfig,
    SupervisedConfig,
    TRSConfig,
    change,
)


@dataclass(frozen=True)
class Cell:
    """One number of a table: a metric of a run, and what was published.

    row: what the first columns say.
    repeats: the same training on other splits, from other weights; the cell then shows the mean of all.
    """

    row: tuple[str, ...]
    column: str
    run: Run
    metric: str = "ap"
    published: float | None = None
    repeats: tuple[Run, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """All that the cell shows."""
        return (self.run, *self.repeats)

    def repeated(self, count: int) -> Cell:
        """The cell with so many trainings in all."""
        return dataclasses.replace(self, repeats=tuple(self.run.repeated(number) for number in range(1, count)))


@dataclass(frozen=True)
class Table:
    """A table, or a figure: a table with an image.

    caption: a line above.
    heads: of the columns that name a row.
    cells: in order.
    draw: makes the image, [H, W, 3] uint8 RGB, of runs' folders by the names of their rows.
    note: a line below.
    cluster: the machines of each training.
    compared_with: the row that the others' gains are measured from.
    """

    caption: str
    heads: tuple[str, ...]
    cells: list[Cell]
    draw: Callable[[dict[str, Path]], np.ndarray] | None = None
    note: str = ""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    compared_with: tuple[str, ...] | None = None

    def changed(self, change: Callable[[Config], Config]) -> Table:
        """The table with all its trainings' configs changed."""
        return dataclasses.replace(self, cells=[dataclasses.replace(
            cell, run=cell.run.changed(change), repeats=tuple(run.changed(change) for run in cell.repeats))
            for cell in self.cells])

    def titles(self) -> dict[Run, str]:
        """What to call each run: the first cell that shows it."""
        titles: dict[Run, str] = {}
        for cell in self.cells:
            for number, run in enumerate(cell.runs):
                titles.setdefault(run, " ".join([*cell.row, cell.column, f"seed {number}"]))
        return titles


def _change(config: Config, method: MethodConfig, **sections: dict[str, Any]) -> Config:
    """A config with another method and some fields of some sections: `_change(config, method, model={"levels": 1})`."""
    changed: dict[str, Any] = {name: dataclasses.replace(getattr(config, name), **fields)
                               for name, fields in sections.items()}
    return dataclasses.replace(config, method=method, **changed)


COCO = {"1K": presets.coco_1k, "5K": presets.coco_5k, "10K": presets.coco_10k}

# The rivals have a single level: Multi-level Feature Learning is TRS's own.
METHODS: dict[str, tuple[MethodConfig, int]] = {
    "Supervised": (SupervisedConfig(), 1), "PseudoPose": (PseudoPoseConfig(), 1),
    "DataDistill": (DataDistillConfig(), 1), "Single": (SingleConfig(), 1), "Dual": (DualConfig(), 1),
    "SSPCM": (SSPCMConfig(), 1), "TRS": (TRSConfig(), 2), "TRS, 2 paths": (TRSConfig(paths=2, unsup_weight=0.25), 2)}
BACKBONES = {"ResNet18": "resnet18", "ResNet50": "resnet50", "ResNet101": "resnet101"}


COCO_PEOPLE = 149_813
"""With a labeled keypoint in train2017."""
SUPERVISED_PASSES = 320
"""Over the labels: as far as it was seen to help, on LSPET, where AP still rose a little from 126 to 316 of them
(docs/study.md). On COCO an epoch of `coco-1k` is 149, and 70 such epochs may cost a baseline what it has learned."""
_SUPERVISED_LENGTH = f"Supervised rows pass {SUPERVISED_PASSES} times over their labels."


def _coco(labels: str, label: str, backbones: tuple[str, ...] = ("ResNet18", "ResNet18")) -> Run:
    return _on_coco(COCO[labels](), label, backbones)


def _on_coco(base: Config, label: str, backbones: tuple[str, ...]) -> Run:
    """A method on a preset's people; a supervised training stops after `SUPERVISED_PASSES`."""
    method, levels = METHODS[label]
    names = tuple(BACKBONES[name] for name in backbones)
    run = _change(base, method, model={"levels": levels, "backbones": names})
    if not isinstance(method, SupervisedConfig):
        return Run(run)
    labels = base.data.labeled_count or COCO_PEOPLE
    passes_an_epoch = max(labels, COCO_PEOPLE - labels) / labels
    return Run(change(run, {"train.epochs": min(base.train.epochs, math.ceil(SUPERVISED_PASSES / passes_an_epoch))}))


def table2() -> Table:
    """COCO with 1K, 5K and 10K labeled people."""
    published = {("Supervised", "ResNet18"): (31.5, 46.4, 51.1), ("PseudoPose", "ResNet18"): (37.2, 50.9, 56.0),
                 ("DataDistill", "ResNet18"): (37.6, 51.6, 56.6), ("Single", "ResNet18"): (42.1, 52.3, 57.3),
                 ("Dual", "ResNet18"): (44.6, 55.6, 59.6), ("SSPCM", "ResNet18"): (46.9, 57.5, 60.7),
                 ("TRS", "ResNet18"): (50.9, 60.4, 62.9), ("TRS, 2 paths", "ResNet18"): (None, None, None),
                 ("Supervised", "ResNet50"): (34.4, 50.3, 56.3), ("Dual", "ResNet50"): (48.7, 61.2, 65.0),
                 ("SSPCM", "ResNet50"): (49.4, 61.6, 65.4), ("TRS", "ResNet50"): (52.2, 63.5, 67.6)}
    return Table("AP on COCO val2017 with 1K, 5K and 10K labeled people", ("method", "backbone"), [
        Cell((method, backbone), labels, _coco(labels, method, (backbone, backbone)), published=value)
        for (method, backbone), values in published.items() for labels, value in zip(COCO, values, strict=True)],
        note=_SUPERVISED_LENGTH)


def table3() -> Table:
    """COCO's training set and its unlabeled images."""
    metrics = {"AP": "ap", "AP .5": "ap50", "AR": "ar", "AR .5": "ar50"}
    published = {("Supervised", "ResNet50"): (70.9, 91.4, 74.2, 92.3), ("Dual", "ResNet50"): (73.9, 92.5, 77.0, 93.5),
                 ("SSPCM", "ResNet50"): (74.2, 92.7, 77.2, 93.8), ("TRS", "ResNet50"): (74.9, 93.5, 77.6, 94.0),
                 ("Supervised", "ResNet101"): (72.5, 92.5, 75.6, 93.1), ("Dual", "ResNet101"): (75.3, 93.6, 78.2, 94.1),
                 ("SSPCM", "ResNet101"): (75.5, 93.8, 78.4, 94.2), ("TRS", "ResNet101"): (75.8, 93.6, 78.5, 94.3)}
    cells = []
    for (label, backbone), values in published.items():
        run = _on_coco(presets.coco_wild(), label, (backbone, backbone))
        cells += [Cell((label, backbone), column, run, metric, value)
                  for (column, metric), value in zip(metrics.items(), values, strict=True)]
    return Table("COCO val2017, train2017 labeled and unlabeled2017 unlabeled", ("method", "backbone"), cells,
                 note=_SUPERVISED_LENGTH)


PCKH = {"Hea": "head_pckh", "Sho": "shoulder_pckh", "Elb": "elbow_pckh", "Wri": "wrist_pckh", "Hip": "hip_pckh",
        "Kne": "knee_pckh", "Ank": "ankle_pckh", "Total": "pckh"}


def table4() -> Table:
    """MPII labeled, AI Challenger unlabeled; DIR holds `mpii` and `aic`."""
    return _mpii("PCKh@0.5 on MPII val, 10K people of MPII labeled and 100K of AI Challenger unlabeled",
                 presets.mpii_aic(), {"Dual": (95.6, 93.8, 85.0, 78.4, 85.8, 79.4, 74.2, 85.3),
                                      "SSPCM": (95.5, 93.6, 84.7, 78.3, 85.9, 79.4, 74.3, 85.3),
                                      "TRS": (95.7, 93.9, 85.7, 79.3, 86.3, 79.1, 74.9, 85.7)})


def table5() -> Table:
    """MPII with 1K labeled people."""
    return _mpii("PCKh@0.5 on MPII val, 1K people labeled and 10K unlabeled", presets.mpii_1k(),
                 {"Dual": (92.9, 87.8, 74.7, 68.1, 72.5, 64.4, 59.6, 75.4),
                  "SSPCM": (93.0, 88.1, 74.7, 67.0, 72.3, 65.0, 59.4, 75.3),
                  "TRS": (94.0, 91.0, 80.6, 72.9, 76.2, 69.0, 62.9, 79.1)})


def _mpii(caption: str, base: Config, published: dict[str, tuple[float, ...]]) -> Table:
    cells = []
    for label, values in published.items():
        method, levels = METHODS[label]
        run = Run(_change(base, method, model={"levels": levels}))
        cells += [Cell((label,), column, run, metric, value)
                  for (column, metric), value in zip(PCKH.items(), values, strict=True)]
    return Table(caption, ("method",), cells)


def table6() -> Table:
    """Components of TRS."""
    parts = {("", "", "x"): (45.7, 56.9, 60.6), ("x", "", "x"): (47.3, 58.2, 61.3), ("", "x", "x"): (48.4, 58.6, 61.8),
             ("x", "x", ""): (44.8, 56.8, 60.5), ("x", "x", "x"): (50.9, 60.4, 62.9)}
    cells = []
    for row, values in parts.items():
        levels, mix, reviewer = row
        # Without reviewers a student has one target; with twice the weight all rows weigh unlabeled images alike.
        method = TRSConfig(augment=("keypoint_mix",) if mix else (), reviewers=bool(reviewer),
                           unsup_weight=0.5 if reviewer else 1.0)
        cells += [Cell(row, labels, Run(_change(COCO[labels](), method, model={"levels": 2 if levels else 1})),
                       published=value) for labels, value in zip(COCO, values, strict=True)]
    return Table("AP of TRS's components on COCO val2017, ResNet18", ("MFL", "Keypoint-Mix", "reviewer"), cells)


def table7() -> Table:
    """Levels of Multi-level Feature Learning."""
    return Table("AP of TRS with 1K labeled people by levels, ResNet18", ("method",), [
        Cell(("TRS",), str(levels), Run(_change(presets.coco_1k(), TRSConfig(), model={"levels": levels})),
             published=value) for levels, value in {1: 48.4, 2: 50.9, 3: 50.0}.items()])


def table8() -> Table:
    """Keypoints of Keypoint-Mix."""
    return Table("AP of TRS with 1K labeled people by mixed keypoints, ResNet18", ("method",), [
        Cell(("TRS",), str(count), Run(_change(presets.coco_1k(), TRSConfig(mix_count=count))), published=value)
        for count, value in {3: 50.2, 5: 50.9, 7: 50.0, 9: 49.8}.items()])


def table9() -> Table:
    """Hard augmentations."""
    inside: dict[str, tuple[MethodConfig, float]] = {
        "Cutout": (TRSConfig(augment=("cutout",)), 47.4), "Mixup": (TRSConfig(augment=("mixup",)), 46.2),
        "CutMix": (TRSConfig(augment=("cutmix",)), 49.6), "RandAugment": (TRSConfig(augment=("rand_augment",)), 49.5),
        "Joint Cutout": (TRSConfig(augment=("joint_cutout",)), 49.6), "SSCO": (TRSConfig(augment=("ssco",)), 50.1),
        "Keypoint-Mix": (TRSConfig(), 50.9)}
    rivals = {("Dual", "Joint Cutout"): 44.6, ("SSPCM", "SSCO"): 46.9}
    return Table("AP with 1K labeled people by hard augmentation, ResNet18", ("method", "augmentation"), [
        *(Cell(row, "AP", _coco("1K", row[0]), published=value) for row, value in rivals.items()),
        *(Cell(("TRS", name), "AP", Run(_change(presets.coco_1k(), method)), published=value)
          for name, (method, value) in inside.items())])


def table10() -> Table:
    """Peers of different depth; where they differ the AP is the ResNet18's."""
    published = {
        ("Supervised", "-", "ResNet18"): (46.4, 51.1), ("Supervised", "-", "ResNet50"): (50.3, 56.3),
        ("Dual", "ResNet18", "ResNet18"): (55.6, 59.6), ("Dual", "ResNet50", "ResNet50"): (61.2, 65.0),
        ("Dual", "ResNet50", "ResNet18"): (57.2, 60.4), ("SSPCM", "ResNet18", "ResNet18"): (57.5, 60.7),
        ("SSPCM", "ResNet50", "ResNet50"): (61.6, 65.4), ("SSPCM", "ResNet50", "ResNet18"): (58.9, 61.9),
        ("TRS", "ResNet18", "ResNet18"): (60.4, 62.9), ("TRS", "ResNet50", "ResNet50"): (63.5, 67.6),
        ("TRS", "ResNet50", "ResNet18"): (61.4, 63.7)}
    cells = []
    for (label, teacher, student), values in published.items():
        backbones = (student if teacher == "-" else teacher, student)
        # SSPCM's teachers are the larger networks, its student is the smaller one.
        names = (teacher, teacher, student) if label == "SSPCM" else backbones
        metric = "ap" if len(set(names)) == 1 else "ap_c" if label == "SSPCM" else "ap_b"
        cells += [Cell((label, teacher, student), labels, _coco(labels, label, names), metric, value)
                  for labels, value in zip(("5K", "10K"), values, strict=True)]
    return Table("AP on COCO val2017 by the peers' backbones", ("method", "teacher", "student"), cells,
                 note=f"Where the backbones differ the AP is that of the ResNet18 alone. {_SUPERVISED_LENGTH}")


WARM_LAMBDA, SCRATCH_LAMBDA = 2.0, 0.5
"""TRS's weight after a warm start, where 2 was better than 8, and from scratch, where that much stalls: the paper's."""


def lspet() -> Table:
    """Leeds Sports Pose Extended, 500 labeled people, sized for two CPU cores."""
    trs = TRSConfig(unsup_weight=WARM_LAMBDA)
    both = dataclasses.replace(trs, reviewer_role="both", unsup_weight=2 * WARM_LAMBDA / 3)  # three targets
    questions: dict[str, tuple[MethodConfig, int]] = {
        "TRS, reviewer_role student": (dataclasses.replace(trs, reviewer_role="student"), 2),
        "TRS, reviewer_role both": (both, 2),
        "TRS, reviewer_update ema_and_supervised": (dataclasses.replace(trs, reviewer_update="ema_and_supervised"), 2),
        "TRS, reviewer_mode eval": (dataclasses.replace(trs, reviewer_mode="eval"), 2),
        "TRS, confidence_threshold 0.1": (dataclasses.replace(trs, confidence_threshold=0.1), 2),
        "TRS, ssco": (dataclasses.replace(trs, augment=("ssco",)), 2),
        **{f"TRS, alpha {alpha}": (dataclasses.replace(trs, ema_momentum=alpha), 2) for alpha in (0.99, 0.9995)},
        **{f"TRS, lambda {weight:g}": (dataclasses.replace(trs, unsup_weight=weight), 2) for weight in (0.5, 8.0)}}
    return Table("LSPET val, 500 labeled people", ("method",),
                 _columns(_rivals(WARM_LAMBDA) | questions, "warm start", _warm)
                 + _columns(_rivals(SCRATCH_LAMBDA), "from scratch", _from_scratch),
                 note="In this many steps the EMA's warm-up reaches 0.994: an alpha of 0.9995 is one of 0.999. By that "
                      "of 0.1 (method.ema_warmup mean) it reached 0.9993.", cluster=preset("lspet-small").cluster)


def _rivals(unsup_weight: float) -> dict[str, tuple[MethodConfig, int]]:
    """Methods with equal total weights: a student of TRS has two targets, so others weigh theirs twice."""
    trs, once = TRSConfig(unsup_weight=unsup_weight), 2 * unsup_weight
    return {
        "Supervised": (SupervisedConfig(), 1), "Supervised + MFL": (SupervisedConfig(), 2),
        "Mean Teacher": (MeanTeacherConfig(unsup_weight=once), 1), "Dual": (DualConfig(unsup_weight=once), 1),
        "SSPCM": (SSPCMConfig(unsup_weight=once), 1), "TRS": (trs, 2),
        "TRS without reviewers": (dataclasses.replace(trs, reviewers=False, unsup_weight=once), 2),
        "TRS without MFL": (trs, 1), "TRS without Keypoint-Mix": (dataclasses.replace(trs, augment=()), 2),
        "TRS, 2 paths": (dataclasses.replace(trs, paths=2, unsup_weight=unsup_weight / 2), 2)}


def _columns(rows: dict[str, tuple[MethodConfig, int]], column: str,
             start: Callable[[MethodConfig, int], Run]) -> list[Cell]:
    return [Cell((label,), f"{column}, {name}", start(method, levels), metric)
            for label, (method, levels) in rows.items() for name, metric in (("AP", "ap"), ("PCK@0.2", "pck"))]


def _from_scratch(method: MethodConfig, levels: int, seed: int = 0) -> Run:
    return Run(_change(presets.lspet_small(), method, model={"levels": levels}, train={"seed": seed}))


def _warm(method: MethodConfig, levels: int) -> Run:
    """1,500 more steps from supervised networks that have stopped gaining, one a peer."""
    starts = tuple(_from_scratch(SupervisedConfig(), 2, seed) for seed in (0, 100, 200))
    train = {"epochs": 9, "learning_rate": 1e-3, "warmup_steps": 0}
    return Run(_change(presets.lspet_small(), method, model={"levels": levels}, train=train,
                       eval={"every": 3}), starts)


def _few_labels(method: MethodConfig, **changes: Any) -> Run:
    """A training on LSPET with 500 labels, whose choices are made by 1,000 people kept out of training."""
    base = dataclasses.replace(presets.lspet_small(), method=method)
    return Run(change(base, {"data.dev_count": 1000, "train.batch_size": 16, "train.epochs": LENGTHS[10_000],
                             "train.learning_rate": 4e-3, "eval.every": LENGTHS[10_000], **changes}))


LENGTHS = {1500: 5, 4000: 14, 10_000: 35}
"""Epochs of about so many steps of 16 labeled people: an epoch passes over 4,500 unlabeled ones."""


def _lasting(epochs: int) -> dict[str, Any]:
    """So many epochs, and an evaluation at the end."""
    return {"train.epochs": epochs, "eval.every": epochs}


def baseline() -> Table:
    """Supervised training by learning rate and length: what `gain` is measured against."""
    columns = {"AP, to choose by": "ap", "test AP": "test_ap", "test PCK@0.2": "test_pck"}
    cells = [Cell((name, f"{rate:g}", f"{steps:,}"), column,
                  _few_labels(SupervisedConfig(), **{"model.levels": levels, "train.learning_rate": rate,
                                                     **_lasting(epochs)}), metric)
             for name, levels in (("Supervised", 1), ("Supervised + MFL", 2)) for steps, epochs in LENGTHS.items()
             for rate in (1e-3, 2e-3, 4e-3) for column, metric in columns.items()]
    return Table("LSPET, 500 labels: supervised training", ("method", "learning rate", "steps"), cells,
                 cluster=preset("lspet-small").cluster)


_BASELINE = "Supervised + MFL, as many steps as TRS"
_OURS = "TRS, burn-in, lambda 1, nothing mixed"


def gain() -> Table:
    """Unlabeled images against labels alone: TRS as published and as `baseline` and pilots would run it, and Dual."""
    rows = {
        "Supervised": _few_labels(SupervisedConfig(), **{"model.levels": 1, **_lasting(LENGTHS[4000])}),
        "Supervised + MFL": _few_labels(SupervisedConfig(networks=2), **_lasting(LENGTHS[4000])),
        _BASELINE: _few_labels(SupervisedConfig()),
        "Supervised + MFL, as long as TRS": _few_labels(SupervisedConfig(), **_lasting(119)),
        "TRS as published": _few_labels(TRSConfig()),
        _OURS: _few_labels(_ours(), **{"train.burn_in": 1000}),
        "Dual": _few_labels(DualConfig(), **{"model.levels": 1})}
    return _against_labels("LSPET, 500 labels: do unlabeled images pay?", rows,
                           "The first two rows take 3,948 steps, the fourth 33,558, for a step of TRS takes 3.4 times "
                           "as long, and the others 9,870; the second trains two networks, which make an ensemble.")


def pieces() -> Table:
    """The paper's pieces one by one, at equal weight of consistency, beside SSPCM: shorter than `gain`."""
    shorter = _lasting(LENGTHS[4000])
    trs = TRSConfig()
    alone = dataclasses.replace(trs, reviewers=False, unsup_weight=2 * trs.unsup_weight)
    rows = {
        _BASELINE: _few_labels(SupervisedConfig(), **shorter),
        "TRS as published": _few_labels(trs, **shorter),
        "without reviewers": _few_labels(alone, **shorter),
        "without MFL": _few_labels(trs, **{"model.levels": 1, **shorter}),
        "without Keypoint-Mix": _few_labels(dataclasses.replace(trs, augment=()), **shorter),
        "SSPCM": _few_labels(SSPCMConfig(unsup_weight=alone.unsup_weight), **{"model.levels": 1, **shorter})}
    return _against_labels("LSPET, 500 labels: what each piece of TRS is worth", rows, "All rows take 3,948 steps.")


def pretrained() -> Table:
    """`gain` from ImageNet's weights, those that come by pip."""
    rows = {
        "Supervised": _from_imagenet(SupervisedConfig(), **{"model.levels": 1}),
        "Supervised + MFL, as long as TRS": _from_imagenet(SupervisedConfig(), **_lasting(27)),
        _BASELINE: _from_imagenet(SupervisedConfig()),
        "TRS as published": _from_imagenet(TRSConfig()),
        _OURS: _from_imagenet(_ours(), **{"train.burn_in": 1410})}
    return _against_labels("LSPET, 500 labels, from ImageNet's weights: do unlabeled images pay?", rows,
                           "All rows take 2,820 steps, the second 7,614: TRS, half of whose steps burn in, takes 2.7 "
                           "times as long.")


def _ours() -> TRSConfig:
    return TRSConfig(unsup_weight=1.0, augment=())


def _from_imagenet(method: MethodConfig, **changes: Any) -> Run:
    """EfficientNet-Lite0 on 96x96 pixels; CPUs convolve its channels one by one faster in float32."""
    return _few_labels(method, **{
        "data.input_size": (96, 96), "model.backbones": ("timm:tf_efficientnet_lite0",) * 2,
        "model.pretrained": ("package",), "train.precision": "float32", "train.learning_rate": 1e-3,
        "train.epochs": 10, "eval.every": 5, **changes})


def _against_labels(caption: str, rows: dict[str, Run], note: str) -> Table:
    """Trainings beside the supervised one of as many steps, on people who have chosen nothing."""
    columns = {"test AP": "test_ap", "test PCK@0.2": "test_pck", "test AP of the ensemble": "test_ap_ensemble"}
    return Table(caption, ("method",), [
        Cell((name,), column, run, metric) for name, run in rows.items() for column, metric in columns.items()],
        note=f"Choices were made by 1,000 people kept out of training. {note}", cluster=preset("lspet-small").cluster,
        compared_with=(_BASELINE,))


def figure4() -> Table:
    """Predictions of several methods side by side."""
    labels = ("Supervised", "Dual", "SSPCM", "TRS")
    return Table("Predictions on COCO val2017, 1K labeled people, ResNet18", ("method",),
                 [Cell((label,), "AP", _coco("1K", label)) for label in labels], figures.predictions)


def figure5() -> Table:
    """Heatmaps with and without Multi-level Feature Learning."""
    return Table("Heatmaps of TRS with and without MFL on COCO val2017, 1K labeled people, ResNet18", ("method",), [
        Cell((label,), "AP", Run(_change(presets.coco_1k(), TRSConfig(), model={"levels": levels})))
        for label, levels in (("without MFL", 1), ("with MFL", 2))], figures.heatmaps)


def figure6() -> Table:
    """Heatmaps of the teacher and of its reviewer."""
    return Table("Heatmaps of teacher and reviewer on COCO val2017, 1K labeled people, ResNet18", ("method",),
                 [Cell(("TRS",), "AP", Run(presets.coco_1k()))], figures.teacher_and_reviewer)


TABLES: dict[str, Callable[[], Table]] = {
    "table2": table2, "table3": table3, "table4": table4, "table5": table5, "table6": table6, "table7": table7,
    "table8": table8, "table9": table9, "table10": table10, "figure4": figure4, "figure5": figure5, "figure6": figure6,
    "lspet": lspet, "baseline": baseline, "gain": gain, "pieces": pieces, "pretrained": pretrained}
