"""Where a training runs: its machines, apart from what it learns."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from trs import config as configs
from trs import presets
from trs.config import Config
from trs.config.checks import KEPT, check_fields, require, within
from trs.config.files import of_file, plain_section, section, sections
from trs.files import write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_VALUE = r"[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?"
NODE_LABEL = re.compile(rf"((?:{_VALUE}/)?{_VALUE})=(!?)(?:({_VALUE})|in\(({_VALUE}(?:,{_VALUE})*)\))", re.ASCII)
"""A label that nodes must have: its name, whether it is denied, and its value or values, as Ray's selectors have it.
Ray takes a space between values for a part of one."""


@dataclass(frozen=True)
class ClusterConfig:
    """The machines of a training; nothing here changes what is learned."""

    use_gpu: bool = False
    """One GPU for each worker, or what --gpus-per-worker says."""
    gpus_per_worker: float = 1.0
    """With use_gpu: the share of a GPU that a worker takes; at 0.5 two trials of one worker run on one GPU, and nobody
    divides its memory between them."""
    node_labels: tuple[str, ...] = ()
    """Labels of the nodes that workers may run on, in Ray's words, quoted for the shell: 'team=pose', 'team=!other',
    'zone=in(a,b)'. By default any."""
    cpus_per_worker: float = 1.0
    """CPUs reserved for a worker."""
    data_cpus: float = 1.0
    """CPUs of the Ray Data tasks that read for one worker; each task takes at most one."""
    min_workers: int | None = field(default=None, metadata=within(1))
    """Go on with so few workers when nodes are lost, each doing several shares of a step; by default all or none."""
    resize_seconds: float = 60.0
    """With min_workers: how often to look whether lost workers can be had again."""
    checkpoint_every: int = field(default=500, metadata=within(1))
    """Steps between two checkpoints within an epoch: what the loss of a machine costs at most."""
    max_failures: int = 3
    """Failures in a row without a newer checkpoint; as long as it gets further, a run may lose its machines."""
    threads: int | None = field(default=None, metadata=KEPT | within(1, 1024))
    """Threads that a worker computes with; by default its share of the node's cores. A run keeps its number: another
    one gives other last bits."""

    def __post_init__(self) -> None:
        check_fields(self, "cluster")
        require(self.resize_seconds > 0, f"cluster.resize_seconds must be positive, got {self.resize_seconds}")
        for name in ("cpus_per_worker", "data_cpus", "gpus_per_worker"):
            share = getattr(self, name)
            require(share > 0, f"cluster.{name} must be positive, got {share}")
            require(share >= _FINEST, f"cluster.{name} must be at least {_FINEST}, for Ray divides nothing finer, got "
                                      f"{share}")
        require(self.gpus_per_worker <= 1, f"cluster.gpus_per_worker must be at most 1, got {self.gpus_per_worker}")
        for word in self.node_labels:
            require(NODE_LABEL.fullmatch(word) is not None, f"cluster.node_labels: {word!r} is not like name=value, "
                                                            "name=!value, name=in(a,b) or name=!in(a,b)")
        require(not self.node_labels or self.min_workers is None,
                "cluster.node_labels do not go with cluster.min_workers: where Ray counts how many workers there is "
                "room for, it does not look at labels")
        names = [word.partition("=")[0] for word in self.node_labels]
        require(len({*names}) == len(names), "cluster.node_labels must name each label once; several values are "
                                             "written name=in(a,b)")


def require_effect(cluster: ClusterConfig, given: Collection[str]) -> None:
    """Check that the fields of `ClusterConfig` that were given change something.

    Raises:
        InputError: one does not.
    """
    require(cluster.min_workers is not None or "resize_seconds" not in given,
            "cluster.resize_seconds has no effect without cluster.min_workers; leave that out")
    require(cluster.use_gpu or "gpus_per_worker" not in given,
            "cluster.gpus_per_worker has no effect without cluster.use_gpu; leave that out")


@dataclass(frozen=True)
class Job:
    """A training and its machines: what config.yaml in a run's folder holds."""

    config: Config = field(default_factory=Config)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)

    def __post_init__(self) -> None:
        require(1 <= (self.cluster.min_workers or 1) <= self.config.train.workers,
                f"cluster.min_workers must be from 1 to train.workers, {self.config.train.workers}, got "
                f"{self.cluster.min_workers}")
        require(self.cluster.gpus_per_worker == 1 or self.config.train.workers == 1,
                "cluster.gpus_per_worker below 1 is for trainings of one worker: NCCL, by which several work together, "
                "takes one GPU each")


def kept_fields(settings: DataclassInstance) -> list[str]:
    """The fields of a section that a resumed run keeps, since they change what is learned or measured."""
    return [field.name for field in dataclasses.fields(settings)
            if not field.metadata.get("may_change", isinstance(settings, ClusterConfig))]


def changed_for_good(job: Job, before: Job) -> list[str]:
    """The dotted names of the fields in which a job differs from what it resumes, although such a run keeps them."""
    sections = [(name, getattr(job.config, name), settings) for name, settings in vars(before.config).items()]
    return [f"{section}.{name}" for section, now, then in [*sections, ("cluster", job.cluster, before.cluster)]
            for name in kept_fields(then) if getattr(now, name) != getattr(then, name)]


def as_learned(config: Config) -> Config:
    """The config with what a resumed run may change at its default: two that learn the same are equal here."""
    kept = {name: {each: getattr(settings, each) for each in kept_fields(settings)}
            for name, settings in vars(config).items()}
    return Config(**{name: type(settings)(**kept[name]) for name, settings in vars(config).items()})


_FINEST = 1e-4
"""The smallest part of a CPU or a GPU that Ray reckons with."""

WINDOW_BYTES = 64 * 2**20
"""Decoded images in a window of one stream; a worker holds two windows of each stream in the object store."""

TWO_CORES = ClusterConfig(cpus_per_worker=0.7, data_cpus=0.25)
"""Room on two CPU cores for two workers and what reads for them."""


_CLUSTERS: dict[Callable[[], Config], ClusterConfig] = {presets.demo: TWO_CORES, presets.lspet_small: TWO_CORES}
"""The machines of the presets for small ones."""


def preset(name: str) -> Job:
    """A preset's training, on machines that suit it."""
    make = presets.PRESETS[name]
    return Job(make(), _CLUSTERS.get(make, ClusterConfig()))


def to_dict(job: Job) -> dict[str, Any]:
    """The job as plain values: the sections of its config, and a section `cluster`."""
    return {**configs.to_dict(job.config), "cluster": plain_section(job.cluster)}


def from_dict(plain: dict[str, Any]) -> Job:
    """The job that `to_dict` wrote; without a section `cluster` its machines are the default ones.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range, named.
    """
    return Job(configs.from_dict(plain), section(ClusterConfig, sections(plain)[1], "cluster"))


def save(job: Job, path: Path) -> None:
    """Write the job as YAML."""
    write_text(path, yaml.safe_dump(to_dict(job), sort_keys=False))


def load(path: Path) -> Job:
    """Read a job that `save` wrote.

    Raises:
        InputError: the file is missing, is not plain YAML, or holds no valid config.
    """
    return of_file(path, "config", from_dict)
