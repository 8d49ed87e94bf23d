"""The files that start a cluster and send a job to it."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Any

import botocore.session
import jsonschema
import pytest
import ray.autoscaler
import yaml
from botocore.validate import ParamValidator
from ray._private.runtime_env.packaging import _get_excludes
from ray.autoscaler._private.util import prepare_config, validate_config

from jobs import cli
from jobs.deploy import spot
from jobs.run_folder.progress import Progress

ROOT = Path(__file__).resolve().parents[3]


CLUSTERS = ["cluster.yaml", "docs/clusters/gcp.yaml", "docs/clusters/on-premise.yaml"]

GCP_INSTANCE = {  # fields of Compute Engine's instances.insert, as of API v1
    "advancedMachineFeatures", "canIpForward", "confidentialInstanceConfig", "deletionProtection", "description",
    "disks", "displayDevice", "guestAccelerators", "hostname", "labels", "machineType", "metadata", "minCpuPlatform",
    "networkInterfaces", "networkPerformanceConfig", "params", "reservationAffinity", "resourcePolicies", "scheduling",
    "serviceAccounts", "shieldedInstanceConfig", "sourceInstanceTemplate", "sourceMachineImage", "tags"}


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("name", CLUSTERS)
def test_rays_validator_accepts_the_clusters(name: str) -> None:
    validate_config(prepare_config(load(name)))


def unknown_keys(config: dict[str, Any]) -> list[str]:
    """What Ray's validator lets pass: keys of the provider and of its nodes that nobody reads."""
    schema = json.loads((Path(ray.autoscaler.__path__[0]) / "ray-schema.json").read_text())
    known = schema["properties"]["provider"]["properties"].keys()
    found = [f"provider.{key}" for key in config["provider"] if key not in known]
    for name, kind in config.get("available_node_types", {}).items():
        node = kind["node_config"]
        if config["provider"]["type"] == "aws":
            report = ParamValidator().validate(node | {"MinCount": 1, "MaxCount": 1}, EC2.input_shape)
            found += [f"{name}: {report.generate_report()}"] if report.has_errors() else []
        else:
            found += [f"{name}.{key}" for key in node if key not in GCP_INSTANCE]
    return found


EC2 = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances")


@pytest.mark.parametrize("name", CLUSTERS)
def test_no_key_of_a_provider_or_a_node_is_unknown(name: str) -> None:
    assert unknown_keys(load(name)) == []


@pytest.mark.parametrize(("name", "part", "misspelt"), [
    ("cluster.yaml", "provider", {"regoin": "us-west-2"}),
    ("cluster.yaml", "gpu", {"InstanceMarketOption": {"MarketType": "spot"}}),
    ("cluster.yaml", "gpu", {"BlockDeviceMappings": [{"Ebs": {"Size": 200}}]}),
    ("docs/clusters/gcp.yaml", "gpu", {"schedulling": {"provisioningModel": "SPOT"}}),
    ("docs/clusters/on-premise.yaml", "provider", {"worker_ip": []})])
def test_a_misspelt_key_is_found_though_rays_validator_accepts_it(name: str, part: str, misspelt: dict) -> None:
    config = load(name)
    (config["provider"] if part == "provider" else config["available_node_types"][part]["node_config"]).update(misspelt)
    validate_config(prepare_config(config))
    assert len(unknown_keys(config)) == 1


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_node_asks_for_a_token_and_nothing_is_open_to_the_world(name: str) -> None:
    config = load(name)
    for command in (*config["head_start_ray_commands"], *config["worker_start_ray_commands"]):
        assert command == "ray stop" or re.match(r"RAY_AUTH_MODE=token (ray start|nohup python3 ~/spot\.py) ", command)
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "0.0.0.0" not in (ROOT / name).read_text()
    if config["provider"]["type"] == "aws":  # else Ray makes a group whose SSH anybody reaches
        assert all(kind["node_config"]["SecurityGroupIds"] for kind in config["available_node_types"].values())


@pytest.mark.parametrize("name", ["cluster.yaml", "docs/clusters/gcp.yaml"])
def test_spot_nodes_watch_for_the_notice_of_their_cloud(name: str) -> None:
    config = load(name)
    assert (ROOT / config["file_mounts"]["~/spot.py"]).samefile(spot.__file__)
    command = config["worker_start_ray_commands"][-1]
    cloud = re.search(r"python3 ~/spot\.py (\w+) ", command)
    assert cloud is not None and cloud[1] == config["provider"]["type"] and cloud[1] in spot.NOTICED
    assert command.endswith("&")  # Ray waits for the command's end


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_clusters_packages_are_those_that_were_tested(name: str) -> None:
    tested = packages_of_setup()
    installed = dict(requirement(quoted) for command in load(name)["setup_commands"]
                     for quoted in re.findall(r'"([^"]+)"', command))
    assert installed.pop("ray[data,default,train,tune]") == ["==2.60"]  # one version on all nodes
    tested.pop("ray[data,default,train,tune]")
    assert installed == tested


def packages_of_setup() -> dict[str, list[str]]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return dict(requirement(line) for line in setup["options"]["install_requires"].splitlines()
                if line and not line.startswith("#"))


def rayjob_faults(job: dict[str, Any]) -> list[str]:
    schema = json.loads(Path(__file__).with_name("rayjob.schema.json").read_text())
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(job)]


def test_the_job_for_kubernetes_fits_kuberays_schema() -> None:
    job = load("jobs/deploy/rayjob.yaml")
    assert rayjob_faults(job) == []
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token", "secretName": "ray-token"}
    job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplica"] = 4
    job["spec"]["backoffLimit"] = "none"
    assert len(rayjob_faults(job)) == 2


def test_the_job_for_kubernetes_runs_the_tested_ray_and_a_command_that_exists(tmp_path: Path) -> None:
    spec = load("jobs/deploy/rayjob.yaml")["spec"]
    version = spec["rayClusterSpec"]["rayVersion"]
    assert packages_of_setup()["ray[data,default,train,tune]"] == [">=2.60", "<2.61"] and version == "2.60.0"
    assert f"FROM rayproject/ray:{version}-py311-gpu\n" in (ROOT / "jobs" / "deploy" / "Dockerfile").read_text()
    assert yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"] == load("jobs/runtime_env.yaml")["env_vars"]
    program, *arguments = shlex.split(spec["entrypoint"])[2:]
    command = cli.parse(cli.Command, arguments, program)
    assert (program, command.settings.train.workers, command.cluster.min_workers) == ("jobs.train", 8, 4)


def test_the_grafana_dashboard_shows_every_metric_of_a_training(tmp_path: Path) -> None:
    dashboard = json.loads((ROOT / "jobs" / "deploy" / "grafana.json").read_text())
    shown = {name for panel in dashboard["panels"] for target in panel["targets"]
             for name in re.findall(r"ray_(trs_\w+)", target["expr"])}
    progress = Progress(tmp_path, total_steps=10, samples_per_step=8)
    assert shown == {f"trs_{name}" for name in progress.gauges} | {"trs_lost_steps_total"}


def requirement(line: str) -> tuple[str, list[str]]:
    name, bounds = re.fullmatch(r"([a-z\d\[\],-]+?)([=<>].*)", line).groups()
    return name, [re.sub(r"(\.0)+$", "", bound) for bound in bounds.split(",")]


def test_a_submitted_job_takes_the_code_along_and_leaves_data_and_runs() -> None:
    excluded = _get_excludes(ROOT, yaml.safe_load((ROOT / "jobs" / "runtime_env.yaml").read_text())["excludes"])
    sources = [path for package in ("trs", "jobs", "tune") for path in (ROOT / package).rglob("*")
               if path.suffix in (".py", ".j2", ".yaml")]
    assert len(sources) > 50
    assert not [path for path in sources if excluded(path)]
    for left in ("runs/first/study.db", "data/coco/a.jpg", ".venv/bin/python", "trs/__pycache__/ema.pyc", ".git/HEAD"):
        assert excluded(ROOT / left), left
