import dataclasses
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import ray

from jobs.training import reading as data
from jobs.training.reading import StoredStream, _windows, read_shares
from trs.config import Config
from trs.data.datasets import Datasets
from trs.data.reader import Rows, Stream, stream_of
from trs.data.sampler import batch_rows
from trs.errors import InputError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture
def streams(datasets: Datasets, config: Config) -> dict[str, Stream]:
    people = {"labeled": datasets.labeled, "unlabeled": datasets.unlabeled}
    return {name: stream_of(table, datasets.skeleton.flip_order, config) for name, table in people.items()}


@pytest.fixture
def stored(config: Config) -> Callable[..., StoredStream]:
    """Puts the people of a stream into the object store."""
    return lambda stream, kind=StoredStream: kind(ray.put(stream.people), stream.flip_order, config)


Store = Callable[..., StoredStream]


def test_ray_data_gives_the_rows_that_a_plain_reader_gives(streams: dict[str, Stream], stored: Store,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Two streams of unequal length, over several passes and several windows, in order and to the last bit."""
    shares = [{name: batch_rows(step + 1, 4) for name in streams} for step in range(12)]
    monkeypatch.setattr(data, "WINDOW_BYTES", 1)
    found = list(read_shares({name: stored(stream) for name, stream in streams.items()}, 1, iter(shares)))
    assert len(found) == 12
    for rows, batch in zip(shares, found, strict=True):
        assert batch.keys() == {"labeled", "unlabeled"}
        for name, stream in streams.items():
            expected = stream.read(rows[name])
            for column, values in expected.items():
                np.testing.assert_array_equal(batch[name][column], values)
            assert batch[name]["image"].dtype == np.uint8


def test_a_stream_that_begins_later_is_read_from_there_on(streams: dict[str, Stream], stored: Store) -> None:
    """As after a burn-in, in the middle of what would be a window."""
    shares = [{name: batch_rows(step, 4) for name in (["labeled"] if step < 3 else streams)} for step in range(6)]
    found = list(read_shares({name: stored(stream) for name, stream in streams.items()}, 1, iter(shares)))
    assert [batch.keys() for batch in found] == [rows.keys() for rows in shares]
    for rows, batch in zip(shares, found, strict=True):
        for name, wanted in rows.items():
            np.testing.assert_array_equal(batch[name]["image"], streams[name].read(wanted)["image"])


@pytest.mark.parametrize("cpus", [1.5, 2])
def test_as_many_tasks_read_at_a_time_as_there_are_cpus(streams: dict[str, Stream], stored: Store, tmp_path: Path,
                                                        cpus: float) -> None:
    class Met(Stream):
        """Waits in its first read for one in another process."""

        def read(self, rows: Iterable[int]) -> Rows:
            (tmp_path / str(os.getpid())).touch()
            for _ in range(300):
                if len(list(tmp_path.iterdir())) == 2:
                    return super().read(rows)
                time.sleep(0.1)
            raise InputError("nobody else reads")

    class StoredMet(StoredStream):
        def load(self) -> Stream:
            return Met(**vars(super().load()))

    waiting = stored(streams["labeled"], StoredMet)
    shares = iter([{"labeled": batch_rows(step, 4)} for step in range(4)])
    assert len(list(read_shares({"labeled": waiting}, cpus, shares))) == 4


def test_a_bad_image_is_named_in_its_row(streams: dict[str, Stream], stored: Store) -> None:
    files = streams["labeled"].people.files.copy()
    files[0] = "gone.jpg"
    people = dataclasses.replace(streams["labeled"].people, files=files)
    stream = dataclasses.replace(streams["labeled"], people=people)
    batches = list(read_shares({"labeled": stored(stream)}, 0.5, iter([{"labeled": range(0, 8)}])))
    assert sum("gone.jpg" in reason for reason in batches[0]["labeled"]["bad"]) == 1
    assert len(batches[0]["labeled"]["image"]) == 8


def test_workers_that_hold_every_cpu_get_their_images_from_their_own_node(
        streams: dict[str, Stream], stored: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
        ) -> None:
    @ray.remote(num_cpus=8)
    class Everything:
        def held(self) -> bool:
            return True

    monkeypatch.setattr(data, "STARVED_SECONDS", 2.0)
    hog = Everything.remote()
    assert ray.get(hog.held.remote())
    shares = [{"labeled": batch_rows(step, 4)} for step in range(8)]
    monkeypatch.setattr(data, "WINDOW_BYTES", 1)
    batches = read_shares({"labeled": stored(streams["labeled"])}, 1, iter(shares))
    found = [next(batches) for _ in range(6)]  # the windows of steps 0 to 3 and 4 to 7
    assert ["no CPU is free to read" in sentence for sentence in caplog.messages] == [True]
    ray.kill(hog)
    found += list(batches)
    for rows, batch in zip(shares, found, strict=True):
        np.testing.assert_array_equal(batch["labeled"]["image"], streams["labeled"].read(rows["labeled"])["image"])


def test_windows_grow_to_the_limit_and_lose_no_step() -> None:
    shares = [{"labeled": range(step, step + 10)} for step in range(100)]
    windows = list(_windows(iter(shares), image_bytes=2**20 // 10 * 2))
    assert [step for window in windows for step in window] == shares
    assert [len(window) for window in windows[:4]] == [4, 8, 16, 32]
    assert max(map(len, windows)) == 32
