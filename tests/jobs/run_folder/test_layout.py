"""What a run's folder says of the run."""

from __future__ import annotations

from pathlib import Path

from jobs import config as jobs_config
from jobs.config import ClusterConfig, Job
from jobs.run_folder.layout import CONFIG_FILE, with_threads_of


def test_a_run_keeps_the_threads_that_it_has_begun_with(tmp_path: Path) -> None:
    counted = Job(cluster=ClusterConfig(threads=4, max_failures=9))
    assert with_threads_of(tmp_path, counted) == counted, "it has not begun"
    for begun, kept in ((2, 2), (None, 4)):  # an early run of 0.1 says nothing
        jobs_config.save(Job(cluster=ClusterConfig(threads=begun)), tmp_path / CONFIG_FILE)
        assert with_threads_of(tmp_path, counted) == Job(cluster=ClusterConfig(threads=kept, max_failures=9))
