"""Ray's own launchers start the clusters: at AWS as moto plays it, at Google Cloud by recorded replies."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import boto3
import httplib2
import moto
import pytest
import yaml
from googleapiclient.discovery_cache import get_static_doc
from ray.autoscaler._private.commands import _bootstrap_config
from ray.autoscaler._private.providers import _get_node_provider

ROOT = Path(__file__).resolve().parents[3]
TAGS = {"ray-node-name": "ray-trs-worker", "ray-node-type": "worker", "ray-user-node-type": "gpu"}


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without keys, where Ray writes the one that it makes for the cluster."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def aws(at_home: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with moto.mock_aws():
        iam = boto3.client("iam", region_name="us-west-2")  # an account that has run Ray before; it waits for new ones
        iam.create_instance_profile(InstanceProfileName="ray-autoscaler-v1")
        iam.create_role(RoleName="ray-autoscaler-v1", AssumeRolePolicyDocument="{}")
        iam.add_role_to_instance_profile(InstanceProfileName="ray-autoscaler-v1", RoleName="ray-autoscaler-v1")
        yield boto3.resource("ec2", region_name="us-west-2")


def of_aws(ec2: Any) -> dict[str, Any]:
    """cluster.yaml as a person edits it: with an image and a group of the account."""
    network = next(iter(ec2.vpcs.all()))
    group = ec2.create_security_group(GroupName="trs", Description="trs", VpcId=network.id)
    image = next(iter(ec2.images.filter(Owners=["099720109477"])))
    text = (ROOT / "cluster.yaml").read_text()
    text = text.replace("ami-00000000000000000", image.id).replace("sg-00000000000000000", group.id)
    return yaml.safe_load(text)


def test_ray_launches_cluster_yaml_at_aws(aws: Any) -> None:
    edited = of_aws(aws)
    config = _bootstrap_config(edited, no_config_cache=True)
    kinds = config["available_node_types"]
    # What the launcher looks up by itself, and the role with which the head starts the others.
    assert (kinds["head"]["resources"]["CPU"], kinds["data"]["resources"]["CPU"]) == (0, 16)
    assert (kinds["gpu"]["resources"]["CPU"], kinds["gpu"]["resources"]["GPU"]) == (8, 1)
    assert config["head_node"]["IamInstanceProfile"]["Arn"].endswith("/ray-autoscaler-v1")
    assert Path(config["auth"]["ssh_private_key"]).stat().st_mode & 0o077 == 0

    provider = _get_node_provider(config["provider"], config["cluster_name"])
    for name, kind in kinds.items():
        provider.create_node(copy.deepcopy(kind["node_config"]), {**TAGS, "ray-user-node-type": name}, 1)
    started = {next(tag["Value"] for tag in machine.tags if tag["Key"] == "ray-user-node-type"): machine
               for machine in aws.instances.all()}
    assert {name: machine.instance_type for name, machine in started.items()} == {
        "head": "m6i.2xlarge", "data": "c6i.4xlarge", "gpu": "g6.2xlarge"}
    group = edited["metadata"]["firewall"][0]
    for name, machine in started.items():
        assert [each["GroupId"] for each in machine.security_groups] == [group]
        assert machine.image_id == edited["metadata"]["machine"]
        assert (machine.instance_lifecycle == "spot") == (name == "gpu")


def test_the_file_of_before_had_no_key_of_its_own_group(aws: Any) -> None:
    """The group that Ray makes where none is named opens SSH to the world, which is why one is named."""
    config = of_aws(aws)
    for kind in config["available_node_types"].values():
        del kind["node_config"]["SecurityGroupIds"]
    found = _bootstrap_config(config, no_config_cache=True)
    (group,) = {tuple(kind["node_config"]["SecurityGroupIds"]) for kind in found["available_node_types"].values()}
    rules = aws.SecurityGroup(group[0]).ip_permissions
    assert any(each["CidrIp"] == "0.0.0.0/0" for rule in rules for each in rule["IpRanges"])


REPLIES: list[tuple[str, str, Any]] = [
    ("GET", r"/v1/projects/my-project", {"projectId": "my-project", "lifecycleState": "ACTIVE"}),
    ("GET", r"/serviceAccounts/ray-autoscaler-sa-v1@", {"projectId": "my-project",
     "email": "ray-autoscaler-sa-v1@my-project.iam.gserviceaccount.com"}),
    ("POST", r":getIamPolicy", {"version": 1, "etag": "BwX", "bindings": []}),
    ("POST", r":setIamPolicy", {"version": 1, "etag": "BwY", "bindings": []}),
    ("GET", r"/compute/v1/projects/my-project", {"name": "my-project", "commonInstanceMetadata": {
        "kind": "compute#metadata", "fingerprint": "abc=", "items": []}}),
    ("POST", r"/setCommonInstanceMetadata", {"name": "operation-1", "status": "RUNNING"}),
    ("GET", r"/global/operations/operation-1", {"name": "operation-1", "status": "DONE"}),
    ("GET", r"/regions/us-west1/subnetworks", {"items": [{"name": "default", "selfLink":
     "https://www.googleapis.com/compute/v1/projects/my-project/regions/us-west1/subnetworks/default"}]}),
    ("POST", r"/zones/us-west1-b/instances", {"name": "operation-2", "status": "RUNNING"}),
    ("GET", r"/zones/us-west1-b/operations/operation-2", {"name": "operation-2", "status": "DONE"})]
"""What Google's services answer, in the order in which a path is looked for: the last one that fits counts."""


@pytest.fixture
def google(at_home: None, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bodies of the machines that are asked for."""
    asked: list[dict[str, Any]] = []

    def reply(_: httplib2.Http, uri: str, method: str = "GET", body: Any = None, **__: Any) -> tuple[Any, bytes]:
        path = re.sub(r"https://[^/]+|\?.*", "", uri)
        found = [answer for verb, pattern, answer in REPLIES if verb == method and re.search(pattern, path)]
        assert found, f"nobody has recorded {method} {path}"
        if path.endswith("/instances"):
            asked.append(json.loads(body))
        return httplib2.Response({"status": "200", "content-type": "application/json"}), json.dumps(found[-1]).encode()

    monkeypatch.setattr(httplib2.Http, "request", reply)
    return asked


def unknown_fields(body: Any, kind: str, schemas: dict[str, Any], place: str = "") -> list[str]:
    """The fields of a request that Google's description of its service does not have."""
    properties, found = schemas[kind].get("properties", {}), list[str]()
    for name, value in body.items():
        if name not in properties:
            found.append(f"{place}{name}")
            continue
        of = properties[name].get("items", properties[name])
        for each in value if isinstance(value, list) else [value]:
            if "$ref" in of and isinstance(each, dict):
                found += unknown_fields(each, of["$ref"], schemas, f"{place}{name}.")
    return found


def test_ray_launches_gcp_yaml_at_google(google: list[dict[str, Any]]) -> None:
    config = yaml.safe_load((ROOT / "docs/clusters/gcp.yaml").read_text())
    config["provider"]["gcp_credentials"] = {"type": "credentials_token", "credentials": "token"}
    config = _bootstrap_config(config, no_config_cache=True)
    assert "ssh_private_key" in config["auth"]
    provider = _get_node_provider(config["provider"], config["cluster_name"])
    for name, kind in config["available_node_types"].items():
        provider.create_node(copy.deepcopy(kind["node_config"]), {**TAGS, "ray-user-node-type": name}, 1)
    described = json.loads(get_static_doc("compute", "v1"))
    for body in google:
        assert unknown_fields(body, "Instance", described["schemas"]) == []
        (disk,) = body["disks"]
        assert "nvidia-580" in disk["initializeParams"]["sourceImage"]
        assert body["networkInterfaces"][0]["subnetwork"].endswith("/subnetworks/default")
    types = {body["labels"]["ray-user-node-type"]: body for body in google}
    assert {name: body["machineType"].rpartition("/")[2] for name, body in types.items()} == {
        "head": "n2-standard-8", "data": "c2-standard-16", "gpu": "g2-standard-8"}
    assert [name for name, body in types.items() if "scheduling" in body] == ["gpu"]
    assert types["head"]["machineType"] == "zones/us-west1-b/machineTypes/n2-standard-8"
    misspelt = {**types["gpu"], "schedulling": {}, "disks": [{"bootable": True}]}
    assert sorted(unknown_fields(misspelt, "Instance", described["schemas"])) == ["disks.bootable", "schedulling"]
