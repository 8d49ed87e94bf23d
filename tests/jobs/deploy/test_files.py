"""The files that start a cluster and send a job to it."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import jsonschema
import pytest
import ray.autoscaler
import yaml
from botocore.validate import ParamValidator
from googleapiclient.discovery_cache import get_static_doc
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from ray._private.runtime_env.packaging import _get_excludes
from ray.autoscaler._private.command_runner import SSHCommandRunner
from ray.autoscaler._private.util import prepare_config, validate_config

from jobs import cli
from jobs.deploy import spot
from jobs.run_folder.progress import Progress
from tests.jobs.deploy.test_launchers import unknown_fields

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "jobs" / "deploy" / "Dockerfile").read_text()
TESTED = (ROOT / "jobs" / "deploy" / "tested.txt").read_text()
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")


CLUSTERS = ["cluster.yaml", "docs/clusters/gcp.yaml", "docs/clusters/on-premise.yaml"]

def load(name: str) -> dict[str, Any]:
    return list(yaml.safe_load_all((ROOT / name).read_text()))[-1]


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
            found += [f"{name}: {field}" for field in unknown_fields(node, "Instance", COMPUTE["schemas"])]
    return found


COMPUTE = json.loads(get_static_doc("compute", "v1"))
"""Google's description of Compute Engine."""
EC2 = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances")


@pytest.mark.parametrize("name", CLUSTERS)
def test_no_key_of_a_provider_or_a_node_is_unknown(name: str) -> None:
    assert unknown_keys(load(name)) == []


@pytest.mark.parametrize(("name", "part", "misspelt"), [
    ("cluster.yaml", "provider", {"regoin": "us-west-2"}),
    ("cluster.yaml", "gpu", {"InstanceMarketOption": {"MarketType": "spot"}}),
    ("cluster.yaml", "gpu", {"BlockDeviceMappings": [{"Ebs": {"Size": 200}}]}),
    ("docs/clusters/gcp.yaml", "gpu", {"disks": [{"bootable": True}]}),
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
    assert "--env RAY_AUTH_MODE=token" in config["docker"]["run_options"]
    for command in (*config["head_start_ray_commands"], *config["worker_start_ray_commands"]):
        assert command == "ray stop" or re.search(r"\bray start |^nohup python3 \S+/spot\.py ", command)
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "0.0.0.0" not in (ROOT / name).read_text()
    if config["provider"]["type"] == "aws":  # else Ray makes a group whose SSH anybody reaches
        assert all(kind["node_config"]["SecurityGroupIds"] for kind in config["available_node_types"].values())


@pytest.mark.parametrize("name", ["cluster.yaml", "docs/clusters/gcp.yaml"])
def test_spot_nodes_watch_for_the_notice_of_their_cloud(name: str) -> None:
    config = load(name)
    command = config["worker_start_ray_commands"][-1]
    found = re.search(r"python3 ~/project/(\S+) (\w+) ", command)
    assert found is not None and (ROOT / found[1]).samefile(spot.__file__)
    assert "WORKDIR /home/ray/project\n" in DOCKERFILE and "ENV HOME=/home/ray\n" in DOCKERFILE
    assert found[2] == config["provider"]["type"] and found[2] in spot.NOTICED
    assert command.endswith("&")  # Ray waits for the command's end


@pytest.mark.parametrize("name", CLUSTERS)
def test_what_a_user_must_change_stands_at_the_top_and_is_named_once(name: str) -> None:
    """Ray reads its sections' own words; what is one's own stands above them, each with the command that finds it."""
    text = (ROOT / name).read_text()
    top, _, rest = text.partition("\ncluster_name:")
    own = yaml.safe_load(top)["metadata"]
    assert "# EDIT" in top and "EDIT" not in rest
    for value in own.values():
        for one in map(str, value if isinstance(value, list) else [value]):
            assert len(one) < 3 or one not in rest, f"{one} is named again"
    assert load(name)["docker"]["image"] == own["image"] and own["storage"] in load(name)["initialization_commands"]


@pytest.mark.parametrize(("there", "asked"), [
    ("", "chown 1000:1000 /shared\n"), ("lost+found", "chown 1000:1000 /shared\n"), ("coco\nlost+found", "")])
@pytest.mark.parametrize("name", ["cluster.yaml", "docs/clusters/gcp.yaml"])
def test_the_containers_user_may_write_a_new_storage_and_nobody_loses_one(name: str, there: str, asked: str) -> None:
    config = load(name)
    commands = config["initialization_commands"]
    after = commands[commands.index(config["metadata"]["storage"]) + 1]
    said = subprocess.run(["bash", "-c", f'ls() {{ [ "$*" = "-A /shared" ] && printf "{there}"; }}; '
                           f'sudo() {{ echo "$@"; }}; {after}'], capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, asked)
    assert "useradd --create-home --uid 1000 ray" in DOCKERFILE


def test_the_images_packages_are_those_that_were_tested() -> None:
    """setup.cfg has the ranges, jobs/deploy/tested.txt what was installed when the tests were last run."""
    tested = {canonicalize_name(each.name): each for each in requirements(TESTED)}
    for wanted in requirements("\n".join(SETUP[section][key] for section, key in (
            ("options", "install_requires"), ("options.extras_require", "pretrained"),
            ("options.extras_require", "postgresql")))):
        (version,) = tested[canonicalize_name(wanted.name)].specifier
        assert version.operator == "==" and wanted.specifier.contains(version.version), wanted
    assert "RUN pip install --no-cache-dir -r jobs/deploy/tested.txt\n" in DOCKERFILE
    python = re.search(r"^FROM python:([\d.]+)-slim", DOCKERFILE, re.MULTILINE)
    assert python is not None and SpecifierSet(SETUP["options"]["python_requires"]).contains(python[1])
    assert {"boto3", "google-api-python-client"} <= tested.keys(), "the head starts the others"


def pip_faults(dockerfile: str) -> list[str]:
    """What pip says of the constraints of a Dockerfile's pip lines, before it looks for any package."""
    found = list[str]()
    for file in re.findall(r"^RUN pip install .*?(?:-c|--constraint)[ =](\S+)", dockerfile, re.MULTILINE):
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "-c", ROOT / file,
                               "pip"], capture_output=True, text=True)
        found += [done.stderr.strip()] if done.returncode else []
    return found


def test_pip_takes_the_images_lines() -> None:
    assert DOCKERFILE.count("RUN pip install ") == 2 and pip_faults(DOCKERFILE) == []
    before = 'RUN pip install --no-cache-dir -c jobs/deploy/tested.txt -e ".[pretrained,postgresql]"\n'
    (fault,) = pip_faults(before)
    assert "Constraints cannot have extras" in fault


PACKAGE_OF = {"ssh": "openssh-client", "rsync": "rsync"}
"""Debian's packages of the programs that Ray's launcher runs."""


class Noted:
    """Stands in for the processes that Ray's launcher starts, and notes their commands."""

    DEVNULL = None

    def __init__(self) -> None:
        self.programs = set[str]()

    def check_call(self, command: list[str], **_: Any) -> int:
        self.programs.add(command[0])
        if "--rsh" in command:
            self.programs.add(shlex.split(command[command.index("--rsh") + 1])[0])
        return 0


def test_the_head_has_the_programs_with_which_ray_starts_the_other_nodes(tmp_path: Path) -> None:
    """The head's container runs the launcher, as this machine does for the head."""
    noted, auth = Noted(), {"ssh_user": "ray", "ssh_proxy_use_node_id": True}
    runner = SSHCommandRunner("", "10.0.0.2", None, auth, "trs", noted, True)
    runner.ssh_control_path = str(tmp_path)
    runner.run("uptime")
    runner.run_rsync_up("here", "there")
    installed = re.search(r"apt-get install -y --no-install-recommends ([\w. +-]+)", DOCKERFILE)
    assert installed is not None and noted.programs == {"ssh", "rsync"}
    assert {PACKAGE_OF[program] for program in noted.programs} <= set(installed[1].split())


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def rayjob_faults(job: dict[str, Any]) -> list[str]:
    schema = json.loads(Path(__file__).with_name("rayjob.schema.json").read_text())
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(job)]


def test_the_job_for_kubernetes_fits_kuberays_schema() -> None:
    (job,) = yaml.safe_load_all((ROOT / "jobs/deploy/rayjob.yaml").read_text())  # the volume is filled before
    assert rayjob_faults(job) == []
    cluster = job["spec"]["rayClusterSpec"]
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for spec in (pod["template"]["spec"] for pod in pods):
        (container,) = spec["containers"]
        owner = {"fsGroup": 1000, "fsGroupChangePolicy": "OnRootMismatch"}
        assert spec["securityContext"] == owner, "else the image's user cannot write the volume"
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts == {"/shared"}, "KubeRay mounts a /dev/shm that fits, where nobody else does"
        assert {"name": "TORCH_HOME", "value": "/shared/weights"} in container["env"]
    spot_keys = {each["key"] for each in pods[0]["template"]["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]["matchExpressions"]}
    assert "cloud.google.com/gke-spot" in spot_keys and "tolerations" not in pods[0]["template"]["spec"]
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token", "secretName": "ray-token"}
    job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplica"] = 4
    pods[1]["template"]["spec"]["containers"][0]["resource"] = {}
    job["spec"]["backoffLimit"] = "none"
    assert len(rayjob_faults(job)) == 3


def test_the_volume_for_kubernetes_is_filled_as_the_job_will_use_it() -> None:
    claim, pod = yaml.safe_load_all((ROOT / "jobs/deploy/storage.yaml").read_text())
    (head, *_), (container,) = pods_of(load("jobs/deploy/rayjob.yaml")), pod["spec"]["containers"]
    assert (claim["kind"], claim["spec"]["accessModes"], pod["kind"]) == (
        "PersistentVolumeClaim", ["ReadWriteMany"], "Pod")
    for part in ("volumes", "securityContext"):
        assert pod["spec"][part] == head[part]
    assert head["volumes"][0]["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    (of_job,) = head["containers"]
    assert container["image"] == of_job["image"] and container["volumeMounts"] == of_job["volumeMounts"]
    assert all(variable in of_job["env"] for variable in container["env"])
    for text in ("jobs/deploy/rayjob.yaml", "docs/cluster.md"):
        assert "jobs/deploy/storage.yaml" in (ROOT / text).read_text()
    assert f"pod/{pod['metadata']['name']}" in (ROOT / "docs/cluster.md").read_text()


def pods_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    return [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_the_job_for_kubernetes_runs_the_tested_ray_and_a_command_that_exists(tmp_path: Path) -> None:
    spec = load("jobs/deploy/rayjob.yaml")["spec"]
    assert f"ray[data,default,train,tune]=={spec['rayClusterSpec']['rayVersion']}\n" in TESTED
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


def test_a_submitted_job_takes_the_code_along_and_leaves_data_and_runs() -> None:
    excluded = _get_excludes(ROOT, yaml.safe_load((ROOT / "jobs" / "runtime_env.yaml").read_text())["excludes"])
    sources = [path for package in ("trs", "jobs", "tune") for path in (ROOT / package).rglob("*")
               if path.suffix in (".py", ".j2", ".yaml")]
    assert len(sources) > 50
    assert not [path for path in sources if excluded(path)]
    for left in ("runs/first/study.db", "data/coco/a.jpg", ".venv/bin/python", "trs/__pycache__/ema.pyc", ".git/HEAD"):
        assert excluded(ROOT / left), left
