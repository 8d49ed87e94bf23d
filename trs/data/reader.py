"""The rows of a stream, read: images decoded and cropped to the easy view, with their keypoints.

A sample's augmentation is keyed by (seed, pass, id), so that whoever reads a row gets the same pixels.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from trs.config import Config, ViewConfig
from trs.data.crops import crop_keypoints, crop_person, draw_easy_view
from trs.data.images import BadImage
from trs.data.person_table import PersonTable
from trs.data.sampler import person_at
from trs.errors import InputError, Unexpected, printable

Rows = dict[str, np.ndarray]
Item = TypeVar("Item")
_MAX_REPLACEMENTS = 100
"""So many bad images in a row do not come by chance, even where half of all are bad."""


@dataclass(frozen=True, eq=False)
class Stream:
    """People in their random order, see `trs.data.sampler`.

    people: the table that is read.
    flip_order: the keypoint that each keypoint becomes in a mirror image; None where that is not known, and nothing is
        mirrored.
    input_size: height and width of the crops.
    view: ranges of the easy view.
    seed: of the order and of the augmentation.
    """

    people: PersonTable
    flip_order: list[int] | None
    input_size: tuple[int, int]
    view: ViewConfig
    seed: int

    def read(self, rows: Iterable[int]) -> Rows:
        """Read, decode and crop rows of the stream.

        An image that cannot be read is named, and replaced by the next in the order that can be: every step keeps its
        size on every worker. That one has a row of its own too, where it is named if it is bad itself.

        Returns: columns of B rows:
            image: [B, H, W, 3] uint8, the easy view.
            keypoints: [B, K, 2] float32, in pixels of the easy view.
            keypoint_weights: [B, K] float32.
            id, pass: [B] int64.
            key: [B] int64 in [0, 2^32), for `trs.keyed_random`.
            bad: [B] str, what was wrong with the row's own image, which another one replaces; "" mostly.
            bad_image: [B] str, that image's path as JSON; "" mostly.

        Raises:
            InputError: many images in a row cannot be read.
            Unexpected: an error that is no fault of the image's as far as we know, with the image's name.
        """
        samples = [self._sample(row) for row in rows]
        return {name: np.stack([np.asarray(sample[name]) for sample in samples]) for name in samples[0]}

    def _sample(self, row: int) -> dict[str, object]:
        bad, bad_image, last = "", "", ""
        for candidate in range(row, row + _MAX_REPLACEMENTS):
            pass_index, person = person_at(candidate, len(self.people), self.seed)
            file = str(self.people.files[person])
            generator = np.random.default_rng([self.seed, pass_index, int(self.people.ids[person])])
            try:
                choice = draw_easy_view(generator, self.view, mirror=self.flip_order is not None)
                image, matrix = crop_person(self.people, person, self.input_size, choice)
                keypoints, weights = crop_keypoints(self.people, person, matrix,
                                                    self.flip_order if choice.flip else None)
            except BadImage as error:
                last = str(error)
                if candidate == row:
                    bad, bad_image = last, json.dumps(os.path.join(self.people.root, file))
            except (InputError, MemoryError):
                raise
            except Exception as error:
                raise Unexpected.at(f"while reading {printable(file)}", error) from error
            else:
                return {"image": image, "keypoints": keypoints.astype(np.float32), "keypoint_weights": weights,
                        "id": self.people.ids[person], "pass": pass_index, "key": generator.integers(2**32),
                        "bad": bad, "bad_image": bad_image}
        raise InputError(f"{_MAX_REPLACEMENTS} images in a row cannot be read, the last because {last}; see that the "
                         f"images lie in {printable(self.people.root)}")


def stream_of(people: PersonTable, flip_order: list[int] | None, config: Config) -> Stream:
    """The stream of a table under a config."""
    return Stream(people, flip_order, config.data.input_size, config.view, config.train.seed)


def read_ahead(streams: dict[str, Stream], rows_of_steps: Iterable[dict[str, range]], threads: int = 2
               ) -> Iterator[dict[str, Rows]]:
    """Batches of several streams in order, read by threads a few steps ahead: the data path without Ray."""
    with ThreadPoolExecutor(threads) as pool:
        submitted = ({name: pool.submit(streams[name].read, wanted) for name, wanted in rows.items()}
                     for rows in rows_of_steps)
        for futures in delayed(submitted, depth=threads):
            yield {name: future.result() for name, future in futures.items()}


def delayed(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The same items, each handed out when `depth` further ones have been made: work begun ahead of its use."""
    waiting: deque[Item] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > depth:
            yield waiting.popleft()
    yield from waiting
