"""Random numbers keyed by the sample, not by a generator's history.

Each sample carries a 32-bit key made from (seed, pass, sample id). Its random numbers are a hash of the key and a
counter, so they are the same on any device, in any batch and for any number of workers, and a resumed run needs no
random state. The hash is the 32-bit integer finalizer "lowbias32" (C. Wellons, hash-prospector, public domain).
"""

from __future__ import annotations

import enum
import functools
import math
from typing import TypeVar

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_Number = TypeVar("_Number", int, Tensor)


@enum.unique
class RandomStream(enum.IntEnum):
    """What a sample's random numbers are drawn for. Another number for one of them would change every result."""

    AFFINE_SCALE = 100
    AFFINE_ROTATION = 101
    AFFINE_IS_ROTATED = 102
    KEYPOINT_MIX_SIZE = 200
    KEYPOINT_MIX_CHOICE = 201
    CUTOUT_PLACE = 300
    CUTOUT_SIZE = 301
    JOINT_CUTOUT_CHOICE = 310
    JOINT_CUTOUT_JITTER = 311
    JOINT_CUTOUT_SIZE = 312
    SSCO_SOURCE = 320
    SSCO_OWN = 321
    SSCO_OTHER = 322
    SSCO_OWN_JITTER = 323
    SSCO_OTHER_JITTER = 324
    SSCO_SIZE = 325
    MIXING_PARTNER = 330
    MIXUP_RATIO = 340
    CUTMIX_AREA = 350
    CUTMIX_PLACE = 351
    RAND_AUGMENT_CHOICE = 360


def _hash(x: _Number) -> _Number:
    # int64 holds the product's low 32 bits whether or not it overflows, and only those are kept.
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & _MASK
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def uniform(keys: Tensor, count: int, stream: int) -> Tensor:
    """`count` uniform numbers in (0, 1) for each key.

    Args:
        keys: [B] int64, each in [0, 2^32).
        count: numbers for each key.
        stream: tells apart the purposes that one key serves; each has a number of its own, see `RandomStream`.

    Returns: [B, count] float32.
    """
    bits = _hash(keys[:, None] ^ _counters(count, stream, keys.device))
    # 24 bits fill a float32's mantissa; the half step keeps 0 and 1 out, which normal() needs.
    return ((bits >> 8).double() + 0.5).div(2**24).float().clamp(max=1 - 2**-24)


@functools.cache
def _counters(count: int, stream: int, device: torch.device) -> Tensor:
    """[count] what tells the numbers of one key apart; the same in every step."""
    with torch.inference_mode(False):
        return _hash(torch.arange(count, device=device) + _hash(stream + 1))


def derive(keys: Tensor, number: int) -> Tensor:
    """[B] keys of an independent sequence; number 0 keeps the keys."""
    return keys if number == 0 else _hash(keys ^ _hash(number))


def normal(keys: Tensor, count: int, stream: int) -> Tensor:
    """[B, count] standard normal numbers (Box-Muller), float32."""
    first, second = uniform(keys, 2 * count, stream).chunk(2, dim=1)
    return torch.sqrt(-2 * torch.log(first)) * torch.cos(2 * math.pi * second)
