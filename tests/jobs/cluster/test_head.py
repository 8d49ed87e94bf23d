"""What the head of a cluster must be: large enough, and a machine that stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config

from jobs.cluster.head import BYTES, BYTES_OF_TRAINING, is_known, small_head, spot_head

ROOT = Path(__file__).resolve().parents[3]
GIB = 2**30


def launched(name: str, **node: Any) -> Any:
    """The configuration that `ray up` leaves on the head, whose machine is asked for with some words more."""
    config = prepare_config(list(yaml.safe_load_all((ROOT / name).read_text()))[-1])
    config["available_node_types"][config["head_node_type"]]["node_config"].update(node)
    return config


def test_a_head_that_is_too_small_for_what_runs_is_told() -> None:
    """16 trials on an m6i.xlarge of 16 GiB fit, 32 do not."""
    assert small_head(16 * GIB, 16) is None
    assert "32 trainings at a time take about 24 GB of the head beside their workers, and it has 17; lower" in str(
        small_head(16 * GIB, 32))


def test_the_page_says_how_much_it_takes() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text()
    small, middle, large = (round((BYTES + trials * BYTES_OF_TRAINING) / 1e9) for trials in (8, 32, 128))
    assert f"a head needs about {small} GB for 8 trials, {middle} for 32 and {large} for 128" in " ".join(page.split())


@pytest.mark.parametrize(("name", "node"), [
    ("cluster.yaml", {"InstanceMarketOptions": {"MarketType": "spot"}}),
    ("docs/clusters/gcp.yaml", {"scheduling": {"provisioningModel": "SPOT"}}),
    ("docs/clusters/gcp.yaml", {"scheduling": {"preemptible": True}}),
    ("docs/clusters/gcp.yaml", {"scheduling": [{"preemptible": True}]})])
def test_a_head_that_was_launched_as_a_spot_machine_is_told(name: str, node: dict[str, Any]) -> None:
    assert "the head is a spot machine" in str(spot_head({}, launched(name, **node)))
    assert spot_head({}, launched(name)) is None and is_known({}, launched(name))


def test_a_label_says_it_too_and_machines_of_ones_own_say_nothing() -> None:
    own = launched("docs/clusters/on-premise.yaml")
    assert spot_head({"ray.io/market-type": "spot"}, None) is not None
    assert spot_head({"ray.io/market-type": "on-demand"}, None) is None
    assert is_known({"ray.io/market-type": "on-demand"}, None)
    assert not is_known({}, None) and not is_known({}, own) and spot_head({}, own) is None
