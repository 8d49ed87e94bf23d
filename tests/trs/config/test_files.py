import dataclasses
from pathlib import Path

import pytest

from trs import config as configs
from trs.config import Config, DataConfig, SupervisedConfig
from trs.errors import InputError


def test_the_method_is_told_by_its_name(tmp_path: Path) -> None:
    config = dataclasses.replace(Config(), method=SupervisedConfig())
    plain = configs.to_dict(config)
    assert plain["method"] == {"name": "supervised"}
    assert configs.from_dict(plain).method == SupervisedConfig()


@pytest.mark.parametrize(("text", "words"), [
    ("train: {epochs: 0}", "train.epochs must be at least 1"),
    ("data: {input_size: [100, 64]}", "multiples of 32"),
    ("model: {levels: 4}", "levels must be 1, 2 or 3"),
    ("method: {name: trs, ema_momentum: 1.5}", r"ema_momentum must lie in \[0, 1\)"),
    ("train: {epoch: 3}", "epoch"),
    ("train: {epochs: many}", "invalid value"),
    ("method: {name: nobody}", "nobody"),
    ("just text", "holds no config"),
    ("a: [", "not plain YAML"),
    ("!!python/object/apply:os.system ['true']", "not plain YAML"),
])
def test_a_faulty_file_is_told_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        configs.load(path)
    assert "\n" not in str(error.value)


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
    ("train.learning_rate", "fast", "train: invalid value"), ("train.speed", 1, "speed"),
    ("nothing.at_all", 1, "no setting"),
    ("train.epochs", 0, r"train\.epochs must be at least 1"), ("train", 1, "no setting")])
def test_what_cannot_be_changed_is_named(name: str, value: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        configs.change(Config(), {name: value})


def test_a_kept_converter_does_the_work() -> None:
    """A new one for each call made `to_dict` and `from_dict` a hundred times slower."""
    from trs.config import files
    assert files.converter() is files.converter()
