"""Every guard of images, where a training, an evaluation and a prediction meet it."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import ray

from jobs import predict
from jobs.training.reading import StoredStream, read_shares
from tests.spoiled_images import FAULTS, spoil
from trs.config import Config
from trs.data.datasets import Datasets, load_datasets
from trs.data.synthetic import draw_dataset
from trs.evaluation.predict import read_crops


@pytest.fixture
def spoiled(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Datasets, list[str], Config]:
    """Datasets whose first labeled people have an image with a fault each, and what is to be said of them."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    draw_dataset(tmp_path / "people", train_count=30, val_count=2, seed=3)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, root=str(tmp_path / "people"),
                                                                  labeled_count=28))
    datasets = load_datasets(config.data)
    labeled, sentences = spoil(datasets.labeled)
    return dataclasses.replace(datasets, labeled=labeled), sentences, config


def require_each_once(told: list[str], sentences: list[str]) -> None:
    """Each of the sentences was begun once, and nothing else was said."""
    assert len(told) == len(sentences) > 20
    for sentence in sentences:
        assert [one for one in told if one.startswith(sentence)], (sentence, told)
    assert all(one.isprintable() for one in told)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_reading_task_names_each(spoiled: tuple[Datasets, list[str], Config]) -> None:
    datasets, sentences, config = spoiled
    stored = StoredStream(ray.put(datasets.labeled), datasets.skeleton.flip_order, config)
    batches = list(read_shares({"labeled": stored}, 0.5, iter([{"labeled": range(28)}])))
    require_each_once([told for told in batches[0]["labeled"]["bad"].tolist() if told], sentences)
    assert batches[0]["labeled"]["image"].shape[0] == 28


def test_an_evaluation_names_each(spoiled: tuple[Datasets, list[str], Config]) -> None:
    datasets, sentences, config = spoiled
    told: list[str] = []
    batches = np.split(np.arange(len(datasets.labeled)), 4)
    read = [row for crops in read_crops(datasets.labeled, batches, config.data.input_size, told)
            for row in crops.rows.tolist()]
    require_each_once(told, sentences)
    assert read == list(range(len(sentences), len(datasets.labeled)))


def test_a_prediction_names_each(spoiled: tuple[Datasets, list[str], Config], checkpoint_folder: Path, tmp_path: Path,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    datasets, sentences, _ = spoiled
    folder = Path(datasets.labeled.root)
    predict.main([str(checkpoint_folder), str(folder), "--out", str(tmp_path / "out"), "--no-use-gpu"])
    # Photos have no declared size; what is missing or a folder is none of a folder's images.
    expected = [sentence for sentence, fault in zip(sentences, FAULTS, strict=False)
                if fault not in ("missing", "a folder", "another size")]
    told = capsys.readouterr()
    warnings = [line.removeprefix(f"WARNING: {folder}{os.sep}") for line in told.err.splitlines()
                if line.startswith("WARNING: ")]
    assert len(warnings) == len(expected) == 13
    for sentence in expected:
        assert [one for one in warnings if one.startswith(sentence)], (sentence, warnings)
    assert f"15 of 28 files -> {tmp_path / 'out'}; 13 left out: " in told.out
