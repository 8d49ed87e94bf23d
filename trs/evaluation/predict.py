"""Poses of people from one or several networks.

Legend: N people, K keypoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trs.config import Config, EvalConfig
from trs.data import geometry
from trs.data.batch import normalize
from trs.data.crops import crop_person
from trs.data.images import BadImage
from trs.data.person_table import PersonTable
from trs.data.reader import delayed
from trs.distributed import gather_rows, rank, world_size
from trs.evaluation.protocol import ENSEMBLE
from trs.models.inference import poses_in_image, read_heatmaps


@dataclass(frozen=True)
class Crops:
    """A batch of people: images [B, H, W, 3] uint8, matrices [B, 2, 3] to the image, rows [B] of the table."""

    images: np.ndarray
    matrices: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Poses:
    """rows [N] of the table; keypoints [N, K, 3]: x, y in the image and the confidence there."""

    rows: Tensor
    keypoints: Tensor


def read_crops(people: PersonTable, batches: Iterable[np.ndarray], input_size: tuple[int, int], bad_images: list[str],
               threads: int = 2) -> Iterator[Crops]:
    """The plain crops of people, batch by batch, read a batch ahead.

    An image that cannot be read is left out and named in `bad_images`: its people count as missed.
    """
    def read(row: int) -> tuple[np.ndarray, np.ndarray] | None:
        try:
            image, matrix = crop_person(people, row, input_size)
            return image, geometry.invert(matrix)
        except BadImage as error:
            bad_images.append(str(error))
            return None

    with ThreadPoolExecutor(threads) as pool:
        submitted = ((batch, [pool.submit(read, int(row)) for row in batch]) for batch in batches)
        for batch, futures in delayed(submitted, depth=1):
            found = [(row, crop) for row, future in zip(batch, futures, strict=True) if (crop := future.result())]
            if found:
                rows, crops = zip(*found, strict=True)
                images, matrices = zip(*crops, strict=True)
                yield Crops(np.stack(images), np.stack(matrices), np.array(rows))


def share_of_crops(people: PersonTable, config: Config, bad_images: list[str]) -> Iterator[Crops]:
    """Read this worker's crops of people; whole batches are dealt to the workers in turn."""
    size = config.eval.batch_size
    batches = np.split(np.arange(len(people)), range(size, len(people), size))
    return read_crops(people, batches[rank()::world_size()], config.data.input_size, bad_images,
                      threads=max(2, torch.get_num_threads()))


@torch.no_grad()
def predict(networks: Mapping[str, nn.Module], ensemble: Iterable[str], crops: Iterable[Crops], config: EvalConfig,
            fuse: str, flip_order: list[int] | None, device: torch.device) -> dict[str, Poses]:
    """Poses by network name, and by the name `ensemble` those of the mean heatmap of the networks named there.

    The networks are put into eval mode. Every network sees each image once; the ensemble costs no forward pass.
    """
    found: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in (*networks, ENSEMBLE)}
    members = list(ensemble)
    for network in networks.values():
        network.eval()
    for batch in crops:
        images = normalize(torch.as_tensor(batch.images).to(device))
        heatmaps = {name: read_heatmaps(network, images, fuse, flip_order if config.flip_test else None)
                    for name, network in networks.items()}
        heatmaps[ENSEMBLE] = torch.stack([heatmaps[name] for name in members]).mean(0)
        rows = torch.as_tensor(batch.rows, device=device)
        matrices = torch.as_tensor(batch.matrices, device=device)
        for name, maps in heatmaps.items():
            found[name].append((rows, poses_in_image(maps, matrices, config.decoder)))
    return {name: _concatenate(parts, device) for name, parts in found.items()}


@torch.no_grad()
def predict_with(read_heatmaps: Callable[[Tensor], Tensor], crops: Iterable[Crops], decoder: str,
                 device: torch.device) -> Poses:
    """Predict poses from whatever heatmaps [B, K, h, w] are read from normalized images [B, 3, H, W]."""
    parts = []
    for batch in crops:
        heatmaps = read_heatmaps(normalize(torch.as_tensor(batch.images).to(device)))
        matrices = torch.as_tensor(batch.matrices, device=device)
        parts.append((torch.as_tensor(batch.rows, device=device), poses_in_image(heatmaps, matrices, decoder)))
    return _concatenate(parts, device)


def _concatenate(parts: list[tuple[Tensor, Tensor]], device: torch.device) -> Poses:
    if not parts:
        # Of the same types as where there are some: the workers gather theirs together.
        return Poses(torch.zeros(0, dtype=torch.int64, device=device),
                     torch.zeros(0, 0, 3, dtype=torch.float64, device=device))
    return Poses(torch.cat([rows for rows, _ in parts]), torch.cat([keypoints for _, keypoints in parts]))


def gather(poses: Poses, keypoint_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gather the poses of all workers on each: rows [N], in no order, and keypoints [N, K, 3]."""
    keypoints = poses.keypoints.reshape(-1, keypoint_count, 3)
    return gather_rows(poses.rows).cpu().numpy(), gather_rows(keypoints).cpu().numpy()
