"""A run's folder: the config, the split and the metrics in it, and the lines that a person follows."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from trs import config as configs
from trs.config import Config
from trs.data import mpii
from trs.data.sets import Sets
from trs.data.split import save_split
from trs.errors import InputError

CONFIG_FILE, SPLIT_FILE, METRICS_FILE = "config.yaml", "split.json", "metrics.jsonl"
BAD_PICTURES_FILE = "bad_pictures.txt"
EVENTS_FILE = "events.txt"
"""What has happened to a run: restarts and what they cost, checkpoints that were damaged."""
FAILURES_FILE = "failures.txt"
"""Tracebacks of what the workers failed from."""
MISTAKE_FILE = "mistake.txt"
"""What ended a run and would end it again, until the user has changed something."""

METRIC_NAMES = {"ap": "AP", "pckh": "PCKh", "pck": "PCK"}
_MEASURES = {"ap": "COCO OKS-AP", "pckh": "PCKh@0.5 without pelvis and thorax",
             "pck": "PCK@0.2 of the box's longer side"}
_DECODERS = {"quarter": "quarter-cell decoding", "dark": "DARK decoding", "udp": "UDP decoding"}

Metrics = dict[str, float]


def write_run(config: Config, sets: Sets, folder: Path) -> None:
    """Write what a run is: config.yaml and split.json; an earlier mistake may have been mended by now."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MISTAKE_FILE).unlink(missing_ok=True)
    configs.save(config, folder / CONFIG_FILE)
    save_split(sets.split, folder / SPLIT_FILE)


def read_metrics(folder: Path) -> list[Metrics]:
    """The metrics that a run has written so far, oldest first; a line cut short by a crash is left out."""
    found = []
    try:
        lines = (folder / METRICS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def first_line(error: BaseException) -> str:
    """The first line of what an exception says."""
    return str(error).strip().partition("\n")[0]


def sentence(error: InputError) -> str:
    """A mistake's own words.

    Ray raises a task's error with the task's traceback for its text, and Ray Data adds lines of advice below it.
    """
    return str(getattr(error, "cause", None) or error).partition("\n")[0]


def read_events(folder: Path) -> list[str]:
    """What has happened to a run so far, oldest first."""
    try:
        return (folder / EVENTS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []


def append_line(path: Path, line: str) -> None:
    """Append a line; several workers may write to the same file."""
    with path.open("a") as file:
        file.write(f"{line}\n")


def measure_of(metric: str) -> str:
    """The measure that a metric belongs to: `ap` for `ar50` and `ap_a`, `pckh` for `head_pckh`."""
    return next((name for name in ("pckh", "pck") if name in metric.split("_")), "ap")


def protocol(config: Config, people: int | None = None, metric: str | None = None) -> str:
    """A sentence that says what a metric is.

    Args:
        config: of the run.
        people: on whom it was measured.
        metric: any of the evaluation's, such as `ar50` or `head_pckh`; the config's own if None.
    """
    metric, evaluation = measure_of(metric or config.eval.metric), config.eval
    boxes = "ground-truth boxes" if config.data.val_detections is None else "detected boxes with OKS-NMS"
    measure = _MEASURES[metric]
    if metric == "pckh":
        heads = mpii.head_boxes_file(Path(config.data.root, config.data.val_annotations))
        measure += " (head size: 0.6 of the head box)" if heads.exists() else " (head size: upper neck to head top)"
    return (f"{METRIC_NAMES[metric]}: {measure} on {f'{people:,}' if people else 'the'} validation people, "
            f"{boxes}, {'' if evaluation.flip_test else 'no '}flip test, {_DECODERS[evaluation.decoder]}; the mean of "
            "the networks that the method is scored by, after a run's last epoch.")


@contextlib.contextmanager
def follow(folder: Path, config: Config, prefix: str = "") -> Iterator[None]:
    """Print a line, behind a prefix, for each epoch and each event that the run writes while the context lasts.

    The file is read rather than the workers' output, which Ray would prefix with process ids and mix with its own.
    """
    ended = threading.Event()

    def watch() -> None:
        shown, told = len(read_metrics(folder)), len(read_events(folder))
        while True:
            last = ended.wait(0.5)
            for event in read_events(folder)[told:]:
                told += 1
                print(prefix + event, flush=True)
            for metrics in read_metrics(folder)[shown:]:
                shown += 1
                print(prefix + epoch_line(metrics, config.train.epochs, config.eval.metric), flush=True)
            if last:
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def epoch_line(metrics: Metrics, epochs: int, metric: str = "ap") -> str:
    """One epoch in a line: the metric of the peers' mean, of each network, loss, warnings, time left."""
    networks = "  ".join(f"{name.removeprefix(f'{metric}_')} {value:.3f}" for name, value in metrics.items()
                         if name.startswith(f"{metric}_"))
    line = (f"epoch {metrics['epoch']:.0f}/{epochs}  {METRIC_NAMES[metric]} {metrics[metric]:.3f}  ({networks})  "
            f"loss {metrics['loss']:.4f}  {metrics['steps_per_second']:.1f} steps/s  "
            f"{duration(metrics['seconds_left'])} left")
    if metrics["bad_images"]:
        line += f"  {metrics['bad_images']:.0f} bad pictures, see {BAD_PICTURES_FILE}"
    warning = heat_warning(metrics)
    return f"{line}  WARNING: {warning}" if warning else line


def heat_warning(metrics: Metrics) -> str | None:
    """What is wrong if the networks' mean peak heat is not a healthy one's.

    Above 1.2 the peers raise each other's heat; below 0.1, once the first epochs are over, they have gone flat.
    """
    heat = metrics["peak_heat"]
    if heat > 1.2:
        return f"the mean peak heat has risen to {heat:.2f}, the consistency loss blows up"
    if heat < 0.1 and metrics["epoch"] > 3:
        return f"the mean peak heat has fallen to {heat:.2f}, the heatmaps have collapsed"
    return None


def duration(seconds: float) -> str:
    """Seconds for people: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
