import dataclasses
import os
import time
from pathlib import Path

import pytest

from trs import config as configs
from trs.config import Config, DataConfig, SupervisedConfig, checks, files
from trs.errors import InputError


def test_the_method_is_told_by_its_name(tmp_path: Path) -> None:
    config = dataclasses.replace(Config(), method=SupervisedConfig())
    plain = configs.to_dict(config)
    assert plain["method"] == {"name": "supervised", "networks": 1}
    assert configs.from_dict(plain).method == SupervisedConfig()


@pytest.mark.parametrize(("text", "words"), [
    ("train: {epochs: 0}", "train.epochs must be at least 1, got 0"),
    ("data: {input_size: [100, 64]}", "multiples of 32"),
    ("model: {levels: 4}", "levels must be 1, 2 or 3"),
    ("method: {name: trs, ema_momentum: 1.5}", r"ema_momentum must lie in \[0, 1\)"),
    ("train: {epoch: 3}", "there is no setting train.epoch, did you mean epochs."),
    ("train: {epochs: many}", "train.epochs must be a whole number such as 6, got 'many'"),
    ("train: {batch_size: 6.7}", "train.batch_size must be a whole number such as 6, got 6.7"),
    ("train: {batch_size: 6.0}", "train.batch_size must be a whole number such as 6, got 6.0"),
    ("train: {batch_size: true}", "train.batch_size must be a whole number such as 6, got True"),
    ("train: {batch_size:}", "train.batch_size must be a whole number such as 6, got None"),
    ("train: {epochs: 1:30}", "train.epochs must be a whole number such as 6, got '1:30'"),
    ("train: {epochs: 010}", "train.epochs must be a whole number such as 6, got '010'"),
    ("train: {learning_rate: 1:30.5}", "train.learning_rate must be a number such as 0.5, got '1:30.5'"),
    ("train: {learning_rate: .nan}", "train.learning_rate must be finite, got nan"),
    ("train: {learning_rate: '0.1'}", "train.learning_rate must be a number such as 0.5, got '0.1'"),
    ("data: {train_images: 5}", "data.train_images must be text, in quotes if it looks like something else, got 5"),
    ("data: {include_labeled: 'false'}", "data.include_labeled must be true or false, got 'false'"),
    ("data: {manifest: ''}", "data.manifest must be text, or null, but not empty, got ''"),
    ("data: {split: last}", "data.split must be one of random, first, got 'last'"),
    ("model: {backbones: resnet18}", r"model.backbones must be a list, such as \[a, b\], got 'resnet18'"),
    ("method: {name: nobody}", "there is no method 'nobody'; method.name must be one of supervised, "),
    ("method: {mix_count: 3}", "there is no method None; method.name must be one of"),
    ("method: {name: [trs]}", "there is no method .'trs'.; method.name must be one of"),
    ("method: trs", "the section method must hold a name and fields, got 'trs'"),
    ("data:", "the section data must hold fields, such as root, got None"),
    ("data: [1]", r"the section data must hold fields, such as root, got \[1\]"),
    ("date: {}", "a config has no section 'date', did you mean data.; it has data, view"),
    ("2: {}", "a config has no section 2; it has data, view"),
    ("train: {1: 2}", "there is no setting train.1"),
    ("just text", "no config, which has sections such as data, model and method: 'just text'"),
    ("", "no config, which has sections such as data, model and method: None"),
    ("a: [", "is not plain YAML: .* in line 1"),
    ("!!python/object/apply:os.system ['true']", "is not plain YAML: could not determine a constructor"),
    ("train: {epochs: 3}\ntrain: {seed: 3}", "is not plain YAML: a key stands twice in the map that begins in line 1"),
    ("train: {epochs: 3,\n  epochs: 4}", "is not plain YAML: a key stands twice in the map that begins in line 1"),
    ("a: &a [x]\nb: *a", "is not plain YAML: a part is repeated by .*, write it out in line 2"),
    ("data: {root: 2000-99-99}", "is not plain YAML: month must be in 1..12"),
    ("train: {seed: !!int x}", "is not plain YAML: "), ("train: {seed: !!timestamp x}", "is not plain YAML: "),
    ("train: {seed: !!bool x}", "is not plain YAML: "), ("train: {seed: " + "9" * 5000 + "}", "is not plain YAML: "),
    ("[" * 5000, "is not plain YAML: it is nested too deeply"),
    ("data: {root: \x1b[2J}", "is not plain YAML: "),
])
def test_a_faulty_file_is_told_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        configs.load(path)
    assert str(error.value).startswith(str(path)) and str(error.value).isprintable() and len(str(error.value)) < 400


@pytest.mark.parametrize(("content", "words"), [
    ("data: {root: Übung}".encode("latin-1"), "is not plain YAML: it is not UTF-8: byte "),
    ("data: {root: x}".encode("utf-16"), "is not plain YAML: it is not UTF-8: byte "),
    (b"\x00" * 50, "is not plain YAML: "), (b"x: " + b"y" * (1 << 20), "cannot read the config .*: is larger than")])
def test_a_file_of_something_else_is_told_in_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "best.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        configs.load(path)
    assert str(error.value).isprintable()


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.yaml")
    for path, words in ((tmp_path / "config.yaml", "is not a regular file"), (tmp_path, "is not a regular file"),
                        (tmp_path / "missing", "No such file")):
        with pytest.raises(InputError, match=f"cannot read the config {path}: ({words})"):
            configs.load(path)


def test_repeated_parts_do_not_unfold(tmp_path: Path) -> None:
    """Thirty lines that stand for a thousand million values, as lists and as merged maps."""
    lists = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30))]
    maps = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 30))]
    for bomb in (lists, maps, ["data: &a [*a]"]):
        (tmp_path / "config.yaml").write_text("\n".join(bomb))
        start = time.process_time()
        with pytest.raises(InputError, match="a part is repeated"):
            configs.load(tmp_path / "config.yaml")
        assert time.process_time() - start < 1


def test_numbers_of_yaml_1_2_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("train: {learning_rate: 1e-4, lr_drops: [5E-1, 1]}\nmethod: {name: trs, "
                                          "unsup_weight: 1e+2}\ndata: {root: 1e-4x}")
    config = configs.load(tmp_path / "config.yaml")
    assert (config.train.learning_rate, config.train.lr_drops, config.data.root) == (1e-4, (0.5, 1.0), "1e-4x")
    assert config.method == configs.TRSConfig(unsup_weight=100.0)


def test_a_whole_number_may_stand_for_any_number() -> None:
    """And becomes one: 40 and 40.0 are the same training."""
    plain = configs.to_dict(Config())
    plain["view"]["rotation"], plain["train"]["lr_drops"], plain["method"]["ema_momentum_b"] = 40, [1], 0
    config = configs.from_dict(plain)
    for number in (config.view.rotation, config.train.lr_drops[0], config.method.ema_momentum_b):
        assert type(number) is float
    assert repr(configs.to_dict(config)["view"]["rotation"]) == "40.0"


def test_the_option_of_mean_teacher_that_never_did_anything_is_gone() -> None:
    assert "teacher_mode" not in {field.name for field in dataclasses.fields(configs.MeanTeacherConfig)}
    assert configs.from_dict({"method": {"name": "mean_teacher", "teacher_mode": "train"}}).method == \
        configs.MeanTeacherConfig()  # as 0.1 wrote it
    with pytest.raises(InputError, match=r"method\.teacher_mode has no effect on mean_teacher"):
        configs.from_dict({"method": {"name": "mean_teacher", "teacher_mode": "eval"}})
    with pytest.raises(InputError, match=r"no setting method\.teacher_mode"):
        configs.change(Config(method=configs.MeanTeacherConfig()), {"method.teacher_mode": "eval"})


def test_unsafe_yaml_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{tmp_path}/ran']]")
    with pytest.raises(InputError):
        configs.load(path)
    assert not (tmp_path / "ran").exists()


def test_detections_need_the_list_of_their_images() -> None:
    with pytest.raises(InputError, match="name these too"):
        DataConfig(unlabeled_detections="a.json")


def test_fields_change_by_their_dotted_names() -> None:
    changed = configs.change(Config(), {"train.learning_rate": 0.5, "method.mix_count": 3, "data.input_size": [64, 64]})
    assert (changed.train.learning_rate, changed.method.mix_count, changed.data.input_size) == (0.5, 3, (64, 64))
    assert changed.eval == Config().eval


@pytest.mark.parametrize(("name", "value", "words"), [
    ("train.learning_rate", "fast", "train.learning_rate must be a number"), ("train.speed", 1, "train.speed"),
    ("nothing.at_all", 1, "no setting 'nothing.at_all'"), ("__doc__.x", 1, "no setting"), ("train.", 1, "no setting"),
    ("method.name", "dual", "no setting method.name"),
    ("train.epochs", 0, r"train\.epochs must be at least 1"), ("train", 1, "no setting")])
def test_what_cannot_be_changed_is_named(name: str, value: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        configs.change(Config(), {name: value})


def test_what_a_field_may_hold_is_looked_up_once() -> None:
    """Looked up for each call, `to_dict` and `from_dict` are a hundred times slower."""
    configs.from_dict(configs.to_dict(Config()))
    tables = files._readers, files._lists, checks._faults
    looked_up = [table.cache_info().misses for table in tables]
    assert min(looked_up) > 0
    configs.change(configs.from_dict(configs.to_dict(Config())), {"train.epochs": 3})
    assert looked_up == [table.cache_info().misses for table in tables]
