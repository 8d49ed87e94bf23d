import torch

from trs.keyed_random import normal, uniform

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


def test_neighbouring_keys_counts_and_streams_are_uncorrelated() -> None:
    keys = torch.arange(20_000)
    first, second = uniform(keys, 2, stream=1).T
    other = uniform(keys, 1, stream=2).squeeze(1)
    for a, b in ((first, second), (first, other), (first[1:], first[:-1])):
        assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 0.03


def test_normal_has_mean_zero_and_deviation_one() -> None:
    numbers = normal(KEYS, 3, stream=9)
    assert numbers.isfinite().all()
    assert abs(numbers.mean()) < 0.02 and abs(numbers.std() - 1) < 0.02
