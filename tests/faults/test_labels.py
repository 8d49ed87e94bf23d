"""Which nodes Ray chooses by their labels, and which ones we count as chosen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.cluster.labels import is_chosen

pytestmark = pytest.mark.long

LABELS = [{}, {"zone": "a"}, {"zone": "b"}, {"zone": "c"}, {"example.org/zone": "c"}]
"""Of the nodes, which have a `place` of their own beside them."""
WORDS = [("zone=a",), ("zone=!a",), ("zone=in(a,b)",), ("zone=!in(a,b)",), ("example.org/zone=c",),
         ("zone=!c", "example.org/zone=!c")]

ON_EACH_NODE = """
import json, sys
import ray
from jobs.cluster.labels import label_selector

ray.init(log_to_driver=False)
there = ray.remote(num_cpus=0)(lambda: True)
nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
ray.get([there.options(label_selector={"place": node["Labels"]["place"]}).remote() for node in nodes])  # has started
asked = {there.options(label_selector={**label_selector(words), "place": node["Labels"]["place"]}).remote():
         (words, {name: value for name, value in node["Labels"].items() if "zone" in name})
         for words in json.loads(sys.argv[1]) for node in nodes}
done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=30)
print("chosen", json.dumps([asked[each] for each in done]))
"""

WORKERS = """
import json, sys
from pathlib import Path
import ray
from jobs.cluster.connect import connect
from jobs.cluster.ray_private import RunConfig, run_together
from jobs.cluster.resources import lack, scaling
from jobs.cluster.growth import nodes
from jobs.config import ClusterConfig, Job
from trs.config import Config, TrainConfig

def work(settings):
    labels = ray.get_runtime_context().get_node_labels()
    (Path(settings["folder"]) / f"{ray.train.get_context().get_world_rank()}").write_text(labels["zone"])

connect()
job = Job(Config(train=TrainConfig(workers=2)), ClusterConfig(node_labels=("zone=in(b,c)",), data_cpus=0.5))
assert lack(job, nodes()) is None
run_together(work, {"folder": sys.argv[1]}, scaling(job), RunConfig(name="labels", storage_path=sys.argv[1]))
"""


@pytest.fixture(scope="module")
def labeled(machines: Any) -> Any:
    """The cluster with a node for each of LABELS."""
    for place, labels in enumerate(LABELS):
        machines.add(1, {**labels, "place": str(place)})
    machines.settle()
    return machines


def test_we_count_the_nodes_that_ray_would_place_on(labeled: Any) -> None:
    driver = labeled.start("-c", ON_EACH_NODE, json.dumps(WORDS))
    assert driver.wait(300) == 0, driver.output()
    chosen = json.loads(driver.output().rpartition("chosen ")[2])
    for some in WORDS:
        assert sorted(str(labels) for words, labels in chosen if words == list(some)) == sorted(
            str(labels) for labels in LABELS if is_chosen(some, labels)), some


def test_the_workers_of_a_training_run_where_they_may(labeled: Any, tmp_path: Any) -> None:
    driver = labeled.start("-c", WORKERS, str(tmp_path))
    assert driver.wait(300) == 0, driver.output()
    assert sorted((tmp_path / str(rank)).read_text() for rank in range(2)) == ["b", "c"]
