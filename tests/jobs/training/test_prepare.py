"""What is found before a training starts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jobs.training.prepare import prepare
from trs.config import Config, SupervisedConfig, change
from trs.errors import InputError


def test_a_burn_in_that_leaves_no_step_is_found_before_it_is_trained(config: Config, tmp_path: Path) -> None:
    config = change(config, {"train.burn_in": 10})
    with pytest.raises(InputError, match="burn_in takes all 10 steps of the run, and leaves none"):
        prepare(config, tmp_path)
    prepare(dataclasses.replace(config, method=SupervisedConfig()), tmp_path)
