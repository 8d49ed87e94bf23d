"""Files of 0.1 mean what they meant when they were written."""

from __future__ import annotations

import dataclasses

import pytest

from trs import config as configs
from trs.config import Config, EvalConfig, MeanTeacherConfig, SupervisedConfig, TRSConfig, ViewConfig, before, change
from trs.errors import InputError

VIEW = ViewConfig(heatmap_warp="bilinear")
OLD = Config(view=VIEW, method=TRSConfig(ema_warmup="mean"), eval=EvalConfig(decoder="axes"))


def written_by_0_1(config: Config) -> dict:
    plain = before.as_0_1_wrote(configs.to_dict(config))
    assert "version" not in plain
    return plain


def test_a_file_of_0_1_keeps_its_warm_up_and_its_decoder() -> None:
    plain = written_by_0_1(OLD)
    assert plain["eval"]["decoder"] == "dark" and "ema_warmup" not in plain["method"]
    assert "heatmap_warp" not in plain["view"]
    assert configs.from_dict(plain) == OLD
    assert configs.from_dict(configs.to_dict(OLD)) == OLD
    assert configs.from_dict(configs.to_dict(Config())) == Config()


@pytest.mark.parametrize("decoder", ["quarter", "udp"])
def test_other_decoders_are_called_as_they_were(decoder: str) -> None:
    config = change(OLD, {"eval.decoder": decoder})
    assert configs.from_dict(written_by_0_1(config)) == config


@pytest.mark.parametrize(("wrote", "means"), [(None, ()), ("imagenet", ("imagenet",)), ("b.pth", ("b.pth",))])
def test_one_name_of_weights_was_for_all_peers(wrote: str | None, means: tuple[str, ...]) -> None:
    config = change(OLD, {"model.pretrained": list(means)})
    plain = written_by_0_1(config)
    assert plain["model"]["pretrained"] == wrote and configs.from_dict(plain) == config


def test_a_file_by_hand_means_what_it_says_today() -> None:
    found = configs.from_dict({"method": {"name": "trs"}, "eval": {"decoder": "dark"}})
    assert found.eval.decoder == "dark" and found.method == TRSConfig(ema_warmup="tenth")


def test_what_0_1_has_trained_of_todays_settings() -> None:
    today = Config(method=MeanTeacherConfig(), eval=EvalConfig(decoder="dark"))
    old = before.as_0_1_trained(today)
    assert old == Config(view=VIEW, method=MeanTeacherConfig(ema_warmup="mean"), eval=EvalConfig(decoder="axes"))
    assert before.as_0_1_trained(old) == old
    supervised = Config(view=VIEW, method=SupervisedConfig())
    assert before.as_0_1_trained(supervised) == supervised


@pytest.mark.parametrize("config", [
    Config(), dataclasses.replace(OLD, eval=EvalConfig(decoder="dark")),
    change(OLD, {"model.pretrained": ["a.pth", "b.pth"]}), change(OLD, {"view.heatmap_warp": "bicubic"})])
def test_what_0_1_had_no_words_for_keeps_those_of_today(config: Config) -> None:
    plain = configs.to_dict(config)
    assert before.as_0_1_wrote(plain) == plain


@pytest.mark.parametrize("version", [0, 3, "2", 2.0, True, None, [2]])
def test_a_version_that_is_not_known_is_refused(version: object) -> None:
    with pytest.raises(InputError, match=r"version .* of a config is not known here, only 1 to 2"):
        configs.from_dict({**configs.to_dict(Config()), "version": version})


def test_a_run_of_0_1_says_what_it_keeps() -> None:
    (said,) = before.kept_from_0_1(OLD)
    assert "method.ema_warmup mean, eval.decoder axes, view.heatmap_warp bilinear" in said
    assert before.kept_from_0_1(Config()) == before.kept_from_0_1(Config(method=SupervisedConfig())) == []
