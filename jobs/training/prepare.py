"""What is loaded and checked before a training starts."""

from __future__ import annotations

from pathlib import Path

from jobs.run_folder.layout import SPLIT_FILE
from trs.config import Config
from trs.data.datasets import Datasets, load_datasets, require_unlabeled
from trs.data.split import load_split
from trs.evaluation.evaluate import require_metric
from trs.evaluation.self_check import require_sound
from trs.methods.build import METHODS
from trs.schedule import require_after_burn_in
from trs.warm_start import check_fit


def prepare(config: Config, folder: Path) -> Datasets:
    """Load the datasets, and find a fault in the config or the data before anything starts; nothing is written.

    Args:
        config: of the training.
        folder: of the run; one that is resumed keeps its split.

    Raises:
        InputError: the fault.
    """
    manifest = folder / SPLIT_FILE
    datasets = load_datasets(config.data, load_split(manifest) if manifest.exists() else None)
    uses_unlabeled = METHODS[type(config.method)].uses_unlabeled
    if uses_unlabeled:
        require_unlabeled(datasets)
    require_metric(datasets, config.eval.metric)
    require_sound(datasets, config)
    check_fit(config, len(datasets.skeleton))
    if uses_unlabeled:  # last: faults of the data matter more
        require_after_burn_in(config.train, len(datasets.labeled), len(datasets.unlabeled))
    return datasets
