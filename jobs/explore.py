"""What a training would see, before it costs an hour: `python -m jobs.explore --preset lspet --data.root DIR`."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from jobs import cli
from trs.augment.hard_view import LocatedKeypoints, augment, hard_view
from trs.config import Config, ConsistencyConfig
from trs.data.batch import denormalize, labeled_batch, unlabeled_batch
from trs.data.crops import crop_keypoints, crop_person
from trs.data.datasets import Datasets, load_datasets
from trs.data.heatmaps import locate
from trs.data.person_table import PersonTable
from trs.data.reader import stream_of
from trs.errors import InputError
from trs.keyed_random import derive
from trs.skeleton import Skeleton
from trs.visualize import draw_skeleton, enlarge, grid, sheet, write_jpeg

_CELL = 256
"""A crop is enlarged until its longer side has about so many pixels."""


@dataclass(frozen=True)
class Command(cli.Command):
    """Show the views of a training with their keypoints, and count what there is to learn from."""

    count: int = 6
    """People on each sheet."""


def main(arguments: list[str]) -> None:
    """Print the counts, write views.jpg and unlabeled.jpg."""
    command = cli.parse(Command, arguments, "python -m jobs.explore")
    config = command.settings
    if command.count < 1:
        raise InputError(f"--count must be at least 1, got {command.count}")
    sets = load_datasets(config.data)
    print("\n".join(summary(sets)))
    command.folder.mkdir(parents=True, exist_ok=True)
    write_jpeg(command.folder / "views.jpg", labeled_views(sets, config, command.count))
    print(f"labelled people as annotated, and what the training makes of them: {command.folder / 'views.jpg'}")
    if len(sets.unlabeled):
        write_jpeg(command.folder / "unlabeled.jpg", unlabeled_views(sets, config, 4 * command.count))
        print(f"unlabelled people: {command.folder / 'unlabeled.jpg'}")


def summary(sets: Datasets) -> list[str]:
    """Sentences on the size of the sets, of the people, and on how often each keypoint is labelled."""
    lines = [f"{len(people):,} {name} people in {len(np.unique(people.files)):,} pictures{_sizes(people)}"
             for name, people in (("labelled", sets.labeled), ("unlabelled", sets.unlabeled), ("validation", sets.val))]
    shares = sets.labeled.keypoint_weights.mean(0)
    return [*lines, "labelled keypoints: " + ", ".join(
        f"{name} {share:.0%}" for name, share in zip(sets.skeleton.names, shares, strict=True))]


def _sizes(people: PersonTable) -> str:
    if not len(people):
        return ""
    low, middle, high = np.quantile(people.boxes[:, 2:].max(1), [0.05, 0.5, 0.95])
    return f", their boxes {low:.0f} to {high:.0f} pixels long, in the median {middle:.0f}"


def labeled_views(sets: Datasets, config: Config, count: int) -> np.ndarray:
    """A sheet with a labelled person a row: as annotated, the easy view, and what the method makes of that.

    The hard view needs a teacher who says where the keypoints are. None is trained yet; the annotation stands in.
    """
    stream = stream_of(sets.labeled, sets.skeleton.flip_order, config)
    rows = stream.read(range(count))
    cpu = torch.device("cpu")
    easy = labeled_batch(rows, cpu, config.data.sigma)
    heatmaps = easy.heatmaps * easy.keypoint_weights[..., None, None]
    for complaint in filter(None, rows["bad"].tolist()):
        print(f"WARNING: {complaint}", file=sys.stderr)
    # A picture that cannot be read is replaced by another one: whose rows these are, their ids tell.
    places = {number: row for row, number in enumerate(sets.labeled.ids.tolist())}
    columns = {"annotated": [_annotated(sets, places[number], config) for number in rows["id"].tolist()],
               "easy": _drawn(easy.images, heatmaps, sets.skeleton)}
    method = config.method
    if isinstance(method, ConsistencyConfig):
        sample = unlabeled_batch(rows, cpu, config.data.sigma)
        keypoints, heat = locate(heatmaps)
        changed, _ = augment(sample.images, LocatedKeypoints(keypoints, heat > 0, derive(sample.keys, 0)), method)
        if method.augment:
            columns[" + ".join(method.augment)] = _drawn(changed, heatmaps, sets.skeleton)
        hard = hard_view(sample, heatmaps, method, config.view)
        columns["hard"] = _drawn(hard.images[:count], hard.of_heatmaps(heatmaps[None])[0, :count], sets.skeleton)
    return sheet(list(columns.values()), list(columns))


def _annotated(sets: Datasets, person: int, config: Config) -> np.ndarray:
    image, matrix = crop_person(sets.labeled, person, config.data.input_size)
    keypoints, weights = crop_keypoints(sets.labeled, person, matrix, None)
    return _with_skeleton(image, np.column_stack([keypoints, weights]), sets.skeleton)


def _drawn(images: Tensor, heatmaps: Tensor, skeleton: Skeleton) -> list[np.ndarray]:
    """Normalised pictures [B, 3, H, W] with the keypoints of heatmaps [B, K, h, w]."""
    keypoints, heat = locate(heatmaps)
    poses = torch.cat([keypoints, heat[..., None]], dim=-1).double().numpy()
    return [_with_skeleton(image, pose, skeleton)
            for image, pose in zip(denormalize(images).numpy(), poses, strict=True)]


def _with_skeleton(image: np.ndarray, pose: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    factor = max(1, round(_CELL / max(image.shape[:2])))
    return draw_skeleton(enlarge(image, factor), pose * [factor, factor, 1], skeleton)


def unlabeled_views(sets: Datasets, config: Config, count: int) -> np.ndarray:
    """Easy views of unlabelled people, on one sheet: their boxes are all that is known."""
    images = stream_of(sets.unlabeled, sets.skeleton.flip_order, config).read(range(count))["image"]
    factor = max(1, round(_CELL / 2 / max(images.shape[1:3])))
    return grid([enlarge(image, factor) for image in images], columns=max(1, count // 3))


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
