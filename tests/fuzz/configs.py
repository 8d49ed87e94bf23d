"""Configs, searched ranges, plans and splits, damaged as values and as texts; to what they say, or a refusal."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml

from jobs import config as jobs_config
from jobs.config import Job
from tests.fuzz import mutate
from tests.fuzz.target import refused, require_line, require_sentence
from trs import config as configs
from trs import presets
from trs.config import Config
from trs.config.methods import METHOD_NAMES
from trs.data.split import Split, draw_split, load_split, save_split
from trs.errors import InputError
from tune import space as spaces
from tune.plan import Plan, load_plan

_RANGES = {
    "method.ema_momentum": "0.9,0.99,0.999", "method.unsup_weight": "0.1..10:log", "method.mix_count": "0..9",
    "train.learning_rate": "1e-4..1e-2:log", "method.confidence_threshold": [0.1, 0.5], "data.sigma": "1..3",
    "train.precision": "auto,float32", "model.levels": [1, 2], "view.scale": 0.25, "eval.flip_test": "true,false"}


class ConfigFiles:
    """config.yaml and best.yaml, a search space, search.yaml and split.json."""

    most_bytes = 1 << 28

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder, dict[str, bytes]()
        self._jobs = [jobs_config.to_dict(jobs_config.preset(name)) for name in presets.PRESETS]
        self._methods = [{"name": name, **configs.to_dict(Config(method=kind()))["method"]}
                         for name, kind in METHOD_NAMES.items()]
        self._split = json.loads(json.dumps(dataclasses.asdict(draw_split(np.arange(30), 8, "random", 5))))
        self._ways: tuple[Callable[[Random], bool], ...] = (
            self._check_config, self._check_config, self._check_space, self._check_plan, self._check_split)

    def check(self, random: Random) -> bool:
        """Damage a file of one of these kinds, read it, and write and read again what was read."""
        return random.choice(self._ways)(random)

    def _check_config(self, random: Random) -> bool:
        plain = dict(random.choice(self._jobs))
        plain["method"] = random.choice(self._methods)
        for name in random.sample(sorted(plain), random.randrange(len(plain))):  # the shorter, the faster
            del plain[name]
        path = self._write(random, "config.yaml", plain)
        try:
            config = configs.load(path)
        except InputError as error:
            require_sentence(error, path.name)
            config = None
        try:
            job = jobs_config.load(path)
        except InputError as error:
            require_sentence(error, path.name)
            return config is not None
        assert job.config == config, "a training's config, but not the same as a job's"
        require_sound_job(job)
        if random.random() < 0.1:
            jobs_config.save(job, path)
            assert jobs_config.load(path) == job, "not what was written"
        return True

    def _check_space(self, random: Random) -> bool:
        names = random.sample(sorted(_RANGES), random.randrange(1, 4))
        path = self._write(random, "space.yaml", {name: _RANGES[name] for name in names})
        try:
            space = spaces.load_space(path)
        except InputError as error:
            require_sentence(error, path.name)
            return False
        require_sound_space(space)
        config = jobs_config.preset("demo").config
        try:
            tried = spaces.check_space(config, space)
            values = spaces.paper_defaults(config, space)
        except InputError as error:
            return refused(error)
        for one in (*tried, configs.change(config, values)):
            require_sound_config(one)
        return True

    def _check_plan(self, random: Random) -> bool:
        plan = {field.name: field.default for field in dataclasses.fields(Plan)}
        names = random.sample(sorted(_RANGES), 2)
        plain = {**plan, "space": {name: _RANGES[name] for name in names}}
        self._write(random, "search.yaml", plain)
        try:
            read, space = load_plan(self.folder)
        except InputError as error:
            require_sentence(error, "search.yaml")
            return False
        require_finite(dataclasses.asdict(read))
        for field in dataclasses.fields(Plan):
            value, default = getattr(read, field.name), field.default
            assert value is None or default is None or isinstance(value, type(default)), (field.name, value)
        require_sound_space(space)
        return True

    def _check_split(self, random: Random) -> bool:
        content = mutate.as_json(random, mutate.damage_tree(random, self._split, random.choice((1, 1, 2, 4))))
        self.written = {"split.json": content}
        path = self.folder / "split.json"
        path.write_bytes(content)
        try:
            split = load_split(path)
        except InputError as error:
            require_sentence(error, path.name)
            return False
        require_sound_split(split, json.loads(content.decode("utf-8-sig")))
        save_split(split, path)
        assert load_split(path) == split, "not what was written"
        return True

    def _write(self, random: Random, name: str, plain: Any) -> Path:
        """Write plain values as YAML, damaged before or afterwards."""
        way = random.random()
        damaged = mutate.damage_tree(random, plain, random.choice((1, 1, 2, 4))) if way < 0.7 else plain
        content = _as_yaml(damaged)
        if way > 0.65:
            content = mutate.damage_text(random, content.decode("utf-8", "surrogatepass"))
        self.written = {name: content}
        (self.folder / name).write_bytes(content)
        return self.folder / name


def _as_yaml(plain: Any) -> bytes:
    try:
        return yaml.safe_dump(plain, sort_keys=False).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, yaml.YAMLError):
        return repr(plain)[:2000].encode("utf-8", "surrogatepass")


def require_sound_job(job: Job) -> None:
    """A job's values are finite, of their fields' types, and the same when they are written and read."""
    require_sound_config(job.config)
    require_finite(jobs_config.to_dict(job))
    assert jobs_config.from_dict(jobs_config.to_dict(job)) == job


def require_sound_config(config: Config) -> None:
    plain = configs.to_dict(config)
    require_finite(plain)
    assert configs.from_dict(plain) == config and jobs_config.from_dict(json.loads(json.dumps(plain))).config == config
    for section in vars(config):
        for name, value in plain[section].items():  # True equals 1
            default = getattr(getattr(config, section), name)
            assert isinstance(value, bool) == isinstance(default, bool), (section, name)
    json.dumps(plain, allow_nan=False).encode()


def require_finite(plain: Any) -> None:
    """All numbers among plain values are finite."""
    if isinstance(plain, dict):
        plain = list(plain.values())
    if isinstance(plain, list | tuple):
        for one in plain:
            require_finite(one)
    elif isinstance(plain, float):
        assert math.isfinite(plain), "a number that is not finite"


def require_sound_space(space: spaces.Space) -> None:
    """A space is the same when it is written as plain values and read; what is said of it are printable lines."""
    assert space and all(isinstance(name, str) for name in space)
    described = spaces.describe(space)
    assert described.keys() == space.keys()
    again = spaces.space_of(yaml.safe_load(yaml.safe_dump(spaces.to_plain(space), sort_keys=False)))
    assert repr(again) == repr(space), (again, space)


def require_sound_split(split: Split, content: Any) -> None:
    """A split says what its file says, and nothing that was made of something else."""
    assert split.method in ("random", "first") and type(split.seed) is int
    assert all(type(one) is int for one in split.labeled_ids)
    assert len(set(split.labeled_ids)) == len(split.labeled_ids), "somebody is labeled twice"
    assert list(split.labeled_ids) == content["labeled_ids"] and split.seed == content["seed"]
    require_line([split.method])
