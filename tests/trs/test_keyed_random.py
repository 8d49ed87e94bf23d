import ast
import re
from pathlib import Path

import pytest
import torch

from trs.keyed_random import RandomStream, normal, uniform

ROOT = Path(__file__).parents[2]

KEYS = torch.randint(0, 2**32, (20_000,), generator=torch.Generator().manual_seed(0))


def test_depends_on_the_key_alone_not_on_the_batch() -> None:
    together = uniform(KEYS[:50], 7, stream=3)
    alone = torch.cat([uniform(key[None], 7, stream=3) for key in KEYS[:50]])
    assert torch.equal(together, alone)


def test_uniform_fills_the_unit_interval_evenly() -> None:
    numbers = uniform(KEYS, 4, stream=1)
    assert numbers.min() > 0 and numbers.max() < 1
    counts = torch.histc(numbers, bins=10, min=0, max=1) / numbers.numel()
    torch.testing.assert_close(counts, torch.full((10,), 0.1), atol=0.005, rtol=0)


def test_neighboring_keys_counts_and_streams_are_uncorrelated() -> None:
    keys = torch.arange(20_000)
    first, second = uniform(keys, 2, stream=1).T
    other = uniform(keys, 1, stream=2).squeeze(1)
    for a, b in ((first, second), (first, other), (first[1:], first[:-1])):
        assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 0.03


def test_normal_has_mean_zero_and_deviation_one() -> None:
    numbers = normal(KEYS, 3, stream=9)
    assert numbers.isfinite().all()
    assert abs(numbers.mean()) < 0.02 and abs(numbers.std() - 1) < 0.02


@pytest.mark.parametrize("file", sorted((ROOT / "trs" / "augment").glob("*.py")), ids=lambda file: file.stem)
def test_augmentations_name_their_streams(file: Path) -> None:
    """A stream is a member of RandomStream, which no two purposes share, or the parameter of a shared function."""
    takes_stream = {"uniform", "normal", "draw_half_sizes", "draw_found", "jittered"}
    for call in ast.walk(ast.parse(file.read_text())):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in takes_stream:
            assert re.fullmatch(r"RandomStream\.[A-Z_]+|stream", ast.unparse(call.args[-1])), ast.unparse(call)


def test_streams_keep_their_numbers() -> None:
    """Another number is another result of every training."""
    assert {stream.name: stream.value for stream in RandomStream if stream % 10 == 0} == {
        "AFFINE_SCALE": 100, "KEYPOINT_MIX_SIZE": 200, "CUTOUT_PLACE": 300, "JOINT_CUTOUT_CHOICE": 310,
        "SSCO_SOURCE": 320, "MIXING_PARTNER": 330, "MIXUP_RATIO": 340, "CUTMIX_AREA": 350, "RAND_AUGMENT_CHOICE": 360}
    one = uniform(KEYS[:3], 2, RandomStream.SSCO_SIZE)
    assert torch.equal(one, uniform(KEYS[:3], 2, 325))
