import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from trs.config import Config
from trs.data.datasets import Datasets, load_datasets
from trs.data.reader import Stream, read_ahead, stream_of
from trs.data.sampler import batch_rows
from trs.errors import InputError, Unexpected


@pytest.fixture
def stream(datasets: Datasets, config: Config) -> Stream:
    return stream_of(datasets.labeled, datasets.skeleton.flip_order, config)


def test_the_same_samples_for_any_number_of_workers(stream: Stream) -> None:
    alone = stream.read(row for step in range(2) for row in batch_rows(step, 4))
    shares = [[stream.read(batch_rows(step, 2, rank, shares=2)) for rank in range(2)] for step in range(2)]
    for name in alone:
        together = np.concatenate([share[name] for step in shares for share in step])
        np.testing.assert_array_equal(together, alone[name])


def test_a_sample_differs_from_pass_to_pass(stream: Stream) -> None:
    rows = stream.read(range(16))
    first = {i: image for i, image in zip(rows["id"][:8], rows["image"][:8], strict=True)}
    assert len(rows["id"]) == 16
    assert all((first[i] != image).any() for i, image in zip(rows["id"][8:], rows["image"][8:], strict=True))


def test_mirrored_samples_swap_left_and_right(datasets: Datasets, config: Config) -> None:
    view = dataclasses.replace(config.view, scale=0.0, easy_rotation_probability=0.0)
    plain, mirrored = (dataclasses.replace(stream_of(datasets.labeled, datasets.skeleton.flip_order, config),
                                           view=dataclasses.replace(view, flip_probability=p)).read(range(8))
                       for p in (0.0, 1.0))
    np.testing.assert_array_equal(plain["id"], mirrored["id"])
    expected = plain["keypoints"][:, datasets.skeleton.flip_order] * [-1, 1] + [64, 0]
    np.testing.assert_allclose(mirrored["keypoints"], expected, atol=1e-4)
    assert np.abs(plain["image"][:, :, ::-1].astype(int) - mirrored["image"]).max() <= 1


def test_a_bad_image_is_replaced_and_named(drawn_root: Path, config: Config, tmp_path: Path) -> None:
    root = shutil.copytree(drawn_root, tmp_path / "people")
    data = dataclasses.replace(config.data, root=str(root))
    datasets = load_datasets(data)
    victim = Path(datasets.labeled.root, str(datasets.labeled.files[0]))
    victim.write_bytes(victim.read_bytes()[:200])
    rows = stream_of(datasets.labeled, datasets.skeleton.flip_order, config).read(range(8))
    assert len(rows["image"]) == 8 and datasets.labeled.ids[0] not in rows["id"]
    assert [victim.name in reason for reason in rows["bad"]].count(True) == 1
    for file in datasets.labeled.files:
        Path(datasets.labeled.root, str(file)).unlink()
    with pytest.raises(InputError, match="images in a row cannot be read"):
        stream_of(datasets.labeled, datasets.skeleton.flip_order, config).read(range(1))


def test_a_row_tells_of_its_own_image_and_of_no_other(stream: Stream) -> None:
    """Those that would replace it have rows of their own."""
    order = stream.read(range(8))["id"].tolist()
    files = stream.people.files.astype(object)
    gone = [stream.people.ids.tolist().index(identity) for identity in order[2:5]]
    files[gone] = [f"gone_{number}.jpg" for number in range(3)]
    rows = dataclasses.replace(stream, people=dataclasses.replace(stream.people, files=files)).read(range(8))
    assert [sentence.partition(":")[0] for sentence in rows["bad"]] == \
        ["", "", "gone_0.jpg", "gone_1.jpg", "gone_2.jpg", "", "", ""]
    assert [Path(json.loads(path)).name for path in rows["bad_image"] if path] == [f"gone_{n}.jpg" for n in range(3)]
    assert rows["id"].tolist() == [*order[:2], *[order[5]] * 4, *order[6:]]


def test_an_error_that_nobody_expected_names_the_image(stream: Stream) -> None:
    short = dataclasses.replace(stream.people, keypoints=stream.people.keypoints[:-1])
    last = stream.people.files[-1]
    with pytest.raises(Unexpected, match=rf"^unexpected IndexError while reading {last}: index 7 is out of bounds"):
        dataclasses.replace(stream, people=short).read(range(8))


def test_read_ahead_keeps_the_order(stream: Stream) -> None:
    steps = [{"labeled": batch_rows(step, 2)} for step in range(6)]
    found = [batch["labeled"]["id"].tolist() for batch in read_ahead({"labeled": stream}, iter(steps), threads=2)]
    assert found == [stream.read(step["labeled"])["id"].tolist() for step in steps]
