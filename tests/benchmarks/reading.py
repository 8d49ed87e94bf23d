"""Ray Data's batches against bare decoding and against a torch DataLoader: `python -m tests.benchmarks.reading`.

All of them read the same people, decode, warp to the easy view and hand over uint8 batches in order, with as many
processes.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import ray
import torch

from jobs.cluster.connect import connect
from jobs.training.datasets import store
from jobs.training.reading import StoredStream, read_shares
from tests.benchmarks.ratios import Ratio, main, measure
from trs.config import Config
from trs.data.datasets import Datasets, load_datasets
from trs.data.person_table import PersonTable
from trs.data.reader import Stream, stream_of
from trs.data.sampler import batch_rows
from trs.data.synthetic import draw_dataset
from trs.presets import demo

PROCESSES, BATCH, STEPS, SIZE = 2, 32, 100, (256, 192)
FACTOR = 4
"""Drawn images are about 128 x 128 pixels, COCO's 640 x 480."""


def drawn_people(root: Path) -> tuple[Config, Datasets]:
    """Drawn people in images of about COCO's size, to be cropped to COCO's input size."""
    draw_dataset(root, train_count=400, val_count=2)
    base = demo()
    config = dataclasses.replace(base, data=dataclasses.replace(
        base.data, root=str(root), labeled_count=None, dev_count=None, input_size=SIZE))
    datasets = load_datasets(config.data)
    return config, dataclasses.replace(datasets, labeled=enlarged(datasets.labeled))


def enlarged(people: PersonTable) -> PersonTable:
    """The same people in larger images: what an image costs to decode decides the ratios."""
    for file in people.files:
        image = cv2.imread(str(Path(people.root, file)))
        cv2.imwrite(str(Path(people.root, file)), cv2.resize(image, None, fx=FACTOR, fy=FACTOR))
    return dataclasses.replace(people, image_sizes=FACTOR * people.image_sizes, boxes=FACTOR * people.boxes,
                               keypoints=FACTOR * people.keypoints, areas=FACTOR**2 * people.areas)


def _read(job: tuple[Stream, range]) -> int:
    """Decode and warp, and throw away: the work that no way of reading can avoid."""
    cv2.setNumThreads(0)
    stream, rows = job
    return len(stream.read(rows)["image"])


class Batches(torch.utils.data.Dataset):
    """The stream for a DataLoader: an item is a whole batch."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, step: int) -> dict:
        rows = self.stream.read(batch_rows(step, BATCH))
        return {name: torch.as_tensor(column) for name, column in rows.items() if not name.startswith("bad")}


def reading(rounds: int | None) -> Iterator[Ratio]:
    """Seconds for the same hundred batches."""
    with TemporaryDirectory() as folder:
        config, datasets = drawn_people(Path(folder, "people"))
        stream = stream_of(datasets.labeled, datasets.skeleton.flip_order, config)
        connect()
        stored = StoredStream(store(datasets).labeled, stream.flip_order, config)
        loader = torch.utils.data.DataLoader(Batches(stream), batch_size=None, num_workers=PROCESSES,
                                             worker_init_fn=lambda _: cv2.setNumThreads(0), persistent_workers=True)
        jobs = [(stream, batch_rows(step, BATCH)) for step in range(STEPS)]

        def ours() -> int:
            shares = iter([{"labeled": rows} for _, rows in jobs])
            return sum(len(batch["labeled"]["image"])
                       for batch in read_shares({"labeled": stored}, float(PROCESSES), shares))

        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            yield measure("bare decode + warp in as many processes", 0.90, lambda: pool.map(_read, jobs), ours,
                          rounds or 7)
            yield measure("a torch DataLoader with as many workers", 1.0,
                          lambda: sum(len(batch["image"]) for batch in loader), ours, rounds or 7)
        ray.shutdown()


if __name__ == "__main__":
    main(__doc__, reading)
