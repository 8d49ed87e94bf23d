"""Images that cannot be used: each is counted once, on all workers alike, and above a share of all they end the run."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

import torch

from trs.config import Config
from trs.data.person_table import PersonTable
from trs.distributed import gather_texts, rank, sum_over_workers
from trs.errors import InputError

log = logging.getLogger("trs.bad_images")
"""Gets a warning for each image that cannot be used, with its name and the reason, on rank 0."""
_FEW = 5
"""Bad images among the first that are no rate yet."""


def images_of(*tables: PersonTable) -> int:
    """The number of distinct images in these tables."""
    return len(set().union(*((f"{table.root}/{file}" for file in table.files.tolist()) for table in tables)))


def gather_bad(found: dict[str, str], device: torch.device) -> dict[str, str]:
    """What all workers have found, on each of them: names of bad images with the reasons, sorted by name.

    Every worker must call it.
    """
    texts = gather_texts([json.dumps(pair) for pair in found.items()], device)
    return dict(sorted((name, sentence) for name, sentence in map(json.loads, texts)))


def tell(sentences: list[str]) -> None:
    """Give them to whoever listens to `log`, once for all workers."""
    for sentence in sentences if rank() == 0 else []:
        log.warning(sentence)


def require_few(bad: int, met: int, config: Config, last: str, kind: str = "images", few: int = _FEW) -> None:
    """Refuse more bad images than the config allows.

    Args:
        bad: their number.
        met: of the images looked at so far.
        config: says which share may be bad.
        last: what was wrong with the last one.
        kind: of the images, for the message.
        few: so many are never too many, unless none is allowed.

    Raises:
        InputError: they are too many.
    """
    limit = config.data.max_bad_images
    if bad > max(few if limit > 0 else 0, limit * met):
        raise InputError(f"{bad} of {met} {kind} cannot be used, more than data.max_bad_images = {limit}; the last: "
                         f"{last}; mend them or leave them out, or raise data.max_bad_images")


def settle(sentences: list[str], people: PersonTable, config: Config, device: torch.device, kind: str,
           known: Sequence[str] = ()) -> list[str]:
    """Tell and count what one pass over people could not read; every worker must call it.

    Args:
        sentences: this worker's, one for each person whose image cannot be used.
        people: all that were to be read, by all workers together.
        config: says which share may be bad.
        device: of the workers' collectives.
        kind: of the images, for the message.
        known: sentences of an earlier pass, which are told already.

    Returns: on every worker the sentences of all that are new, one an image.

    Raises:
        InputError: too many images cannot be used.
    """
    if not any(sum_over_workers([float(len(sentences))], device)):
        return []
    # An image's refusal is the same for all its people.
    found = list(gather_bad({sentence: sentence for sentence in sentences}, device))
    new = [sentence for sentence in found if sentence not in set(known)]
    tell(new)
    met = images_of(people)
    # Here all images are known: of a handful a few bad ones are a rate.
    require_few(len(found), met, config, found[-1], kind, few=min(_FEW, met // 4))
    return new
