"""What a run's folder says of the run."""

from __future__ import annotations

from pathlib import Path

from jobs import config as jobs_config
from jobs.config import ClusterConfig, Job
from jobs.run_folder.layout import CONFIG_FILE, FIRST_STAGE, run_name, with_threads_of


def test_a_run_keeps_the_threads_that_it_has_begun_with(tmp_path: Path) -> None:
    counted = Job(cluster=ClusterConfig(threads=4, max_failures=9))
    assert with_threads_of(tmp_path, counted) == counted, "it has not begun"
    for begun, kept in ((2, 2), (None, 4)):  # an early run of 0.1 says nothing
        jobs_config.save(Job(cluster=ClusterConfig(threads=begun)), tmp_path / CONFIG_FILE)
        assert with_threads_of(tmp_path, counted) == Job(cluster=ClusterConfig(threads=kept, max_failures=9))


def test_a_trial_is_called_by_its_search_too(tmp_path: Path) -> None:
    trial, alone = tmp_path / "first" / "trials" / "0003", tmp_path / "alone"
    for folder in (trial, trial / FIRST_STAGE, alone, tmp_path / "first"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).touch()
    assert run_name(trial) == "first/trials/0003" and run_name(trial / FIRST_STAGE) == "first/trials/0003/first_stage"
    assert run_name(alone) == "alone" and run_name(tmp_path / "first") == "first"
    assert run_name(tmp_path / "new") == "new", "it has no config yet"
