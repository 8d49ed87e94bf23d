"""What a search's trials go on from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jobs.config import Job
from jobs.run_folder.layout import MISTAKE_FILE
from trs.config import METHOD_NAMES, SupervisedConfig, TRSConfig, change
from trs.presets import demo
from tune.burn_in import burn_in
from tune.plan import SUPERVISED, Plan, Search


def search_in(folder: Path, **changes: object) -> Search:
    config = change(demo(), {"train.burn_in": 20})
    return Search(folder, Job(dataclasses.replace(config, **changes)), Plan(), {})


@pytest.mark.parametrize("name", sorted(METHOD_NAMES))
def test_a_burn_in_is_the_supervised_training_of_a_methods_peers(tmp_path: Path, name: str) -> None:
    method = METHOD_NAMES[name]()
    found = burn_in(search_in(tmp_path, method=method), "0000", {})
    if name == "supervised":
        assert found is None
    else:
        assert found is not None and found.job.config.method == SupervisedConfig(networks=len(method.peers))
        assert found.folder.parent == tmp_path / "burn_in" and found.state.name == "checkpoint_00000020"


def test_reviewers_that_learn_from_labels_burn_in_with_their_peers(tmp_path: Path) -> None:
    method = TRSConfig(reviewer_update="ema_and_supervised")
    assert burn_in(search_in(tmp_path, method=method), "0000", {}) is None


def test_the_reference_and_a_search_without_burn_in_have_none(tmp_path: Path) -> None:
    assert burn_in(search_in(tmp_path), SUPERVISED, {}) is None
    assert burn_in(search_in(tmp_path, train=change(demo(), {"train.burn_in": 0}).train), "0000", {}) is None


def test_only_what_comes_before_makes_another_burn_in(tmp_path: Path) -> None:
    search = search_in(tmp_path)
    folders = [burn_in(search, "0000", values).folder for values in (
        {}, {"method.unsup_weight": 3.0}, {"method.mix_count": 0}, {"method.ema_momentum": 0.9},
        {"eval.decoder": "udp"}, {"eval.flip_test": True}, {"eval.every": 2}, {"model.fuse": "mean"},
        {"view.heatmap_warp": "bilinear"}, {"view.hard_rotation_probability": 0.1})]
    assert len(set(folders)) == 1
    others = [burn_in(search, "0000", values).folder for values in (
        {"train.learning_rate": 0.1}, {"train.batch_size": 4}, {"model.levels": 1}, {"train.burn_in": 21})]
    assert len({*folders, *others}) == 5


def test_a_trial_says_what_its_burn_in_has_failed_from(tmp_path: Path) -> None:
    found = burn_in(search_in(tmp_path), "0000", {})
    assert not found.is_done and found.mistake == f"the burn-in has failed: see {found.folder}"
    found.folder.mkdir(parents=True)
    (found.folder / MISTAKE_FILE).write_text("the images are gone")
    assert found.mistake == "the burn-in has failed: the images are gone"


def test_the_burn_in_is_found_where_the_data_have_moved(tmp_path: Path) -> None:
    before, moved = search_in(tmp_path), search_in(tmp_path, data=dataclasses.replace(demo().data, root="/elsewhere"))
    (first, second) = (burn_in(search, "0000", {}) for search in (before, moved))
    assert first is not None and second is not None and first.folder == second.folder
    assert second.job.config.data.root == "/elsewhere"
