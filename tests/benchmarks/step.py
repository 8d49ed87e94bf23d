"""A TRS step against the forward and backward passes that it cannot avoid: `python -m tests.benchmarks.step`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from tests.benchmarks.ratios import Ratio, main, measure
from trs import loop
from trs.config import Config
from trs.data.datasets import load_datasets
from trs.data.reader import stream_of
from trs.data.synthetic import draw_dataset
from trs.methods.build import build_method
from trs.presets import coco_1k
from trs.training import start_training

BATCH = 8


def config(root: str) -> Config:
    """ResNet18 at 256x192 on a few drawn people."""
    base = coco_1k()
    data = dataclasses.replace(
        base.data, root=root, labeled_count=BATCH, val_count=1,
        train_annotations="annotations/person_keypoints_train.json", train_images="train",
        val_annotations="annotations/person_keypoints_val.json", val_images="val")
    return dataclasses.replace(base, data=data, model=dataclasses.replace(base.model, pretrained=()),
                               train=dataclasses.replace(base.train, batch_size=BATCH, precision="float32"))


def step(rounds: int | None) -> Iterator[Ratio]:
    """Two students on 2B images forward and backward, two teachers and two reviewers on B forward."""
    with TemporaryDirectory() as folder:
        draw_dataset(Path(folder, "people"), train_count=3 * BATCH, val_count=2)
        settings = config(str(Path(folder, "people")))
        datasets = load_datasets(settings.data)
        rows = {name: stream_of(people, datasets.skeleton.flip_order, settings).read(range(BATCH))
                for name, people in (("labeled", datasets.labeled), ("unlabeled", datasets.unlabeled))}
    method = build_method(settings, len(datasets.skeleton))
    training = start_training(settings, datasets, method, torch.device("cpu"))
    easy = torch.randn(BATCH, 3, 256, 192).contiguous(memory_format=torch.channels_last)
    both = torch.cat([easy, easy])

    def bare() -> None:
        with torch.no_grad():
            for name, network in method.networks.items():
                network.train(name in method.peers)
                network(easy)
        method.trained.zero_grad()
        for name in method.peers:
            method.networks[name](both).square().mean().backward()

    method.networks.train()
    yield measure("bare passes / TRS step (1 / target: at most 1.05 steps)", 1 / 1.05, bare,
                  lambda: loop.step(training, method.trained, [rows], total_steps=1000), rounds or 5)


if __name__ == "__main__":
    main(__doc__, step)
