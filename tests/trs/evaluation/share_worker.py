"""One of the workers of an evaluation: `python -m tests.trs.evaluation.share_worker CONFIG STORE RANK WORLD OUT`.

The networks draw the heatmaps of the labels, some pixels off, so that there is something to score without training.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trs.config import Config, files
from trs.data import geometry
from trs.data.datasets import Datasets, load_datasets
from trs.data.heatmaps import STRIDE, encode
from trs.distributed import rank, world_size
from trs.evaluation.evaluate import evaluate
from trs.methods.build import build_method


class Remembering(nn.Module):
    """A network that knows the people of the batches that this worker is dealt."""

    def __init__(self, datasets: Datasets, config: Config, seed: int) -> None:
        super().__init__()
        people, size = datasets.val, config.data.input_size
        random = np.random.default_rng(seed)
        off = random.normal(0, random.uniform(0.2, 2, (len(people), 1, 1)), people.keypoints.shape)
        places = np.stack([geometry.transform(points, geometry.crop_matrix(box, size))
                           for points, box in zip(people.keypoints, people.boxes, strict=True)])
        maps, _ = encode(torch.tensor(places + off, dtype=torch.float32), torch.ones(places.shape[:2]),
                         (size[0] // STRIDE, size[1] // STRIDE))
        peaks = torch.tensor(random.uniform(0.3, 1, (len(people), 1, 1, 1)), dtype=torch.float32)
        batches = torch.split(maps * peaks, config.eval.batch_size)
        self.dealt = list(batches[rank()::world_size()])
        # As BatchNorm's statistics it is another on each worker, and rank 0's is taken.
        self.register_buffer("gain", torch.tensor(1.0 + rank()))

    def forward(self, images: Tensor) -> Tensor:
        return self.gain * self.dealt.pop(0)[None]


def scores(config: Config) -> dict[str, Any]:
    """What `evaluate` gives on this worker: its metrics, and the results of each network."""
    datasets = load_datasets(config.data)
    method = build_method(config, len(datasets.skeleton))
    for seed, name in enumerate(method.networks):
        method.networks[name] = Remembering(datasets, config, seed)
    results: dict[str, list[dict[str, Any]]] = {}
    metrics = evaluate(method, datasets, config, torch.device("cpu"), [],
                       lambda name, found: results.update({name: found}))
    return {"metrics": metrics, "results": results}


def main(config: str, store: str, number: str, world: str, out: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=int(number), world_size=int(world))
    Path(out).write_text(json.dumps(scores(files.load(Path(config)))))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
