"""A search in optuna-dashboard and TensorBoard, as a browser shows it."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import Trial, TrialState
from optuna_dashboard import get_note
from PIL import Image
from selenium.common.exceptions import StaleElementReferenceException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tune import dashboard
from tune.hparams import FOLDER as HPARAMS
from tune.leaderboard import read_leaderboard
from tune.notes import ARTIFACTS, keep_poses
from tune.study import read_study


def see(browser: Any, address: str, words: list[str]) -> str:
    """The page's text, once it has these words; TensorBoard builds its pages of nested shadow trees."""
    browser.get("about:blank")  # another hash alone would not load the page anew
    browser.get(address)
    script = """const skipped = ['STYLE', 'SCRIPT'];
        const text = node => [...node.childNodes].map(child => child.nodeType === 3 ? child.data :
            skipped.includes(child.tagName) ? '' : (child.shadowRoot ? text(child.shadowRoot) : '') + text(child) + ' '
        ).join('');
        return text(document.body);"""
    found = ""
    for _ in range(120):
        try:
            found = " ".join(browser.execute_script(script).split())
        except StaleElementReferenceException:
            continue
        if all(word in found for word in words):
            return found
        time.sleep(0.25)
    raise AssertionError(f"{[word for word in words if word not in found]} not in {found[:2000]}")


def test_a_browser_sees_the_trials_in_both(search: Path, browser: Any) -> None:
    with dashboard.serve(search, 0, 0) as addresses:
        study = read_study(search)._study_id
        optuna, board = addresses["optuna-dashboard"], addresses["TensorBoard"]
        assert optuna.startswith("http://127.0.0.1:") and board.startswith("http://127.0.0.1:")
        see(browser, f"{optuna}dashboard", ["demo"])
        page = see(browser, f"{optuna}dashboard/studies/{study}/trials?numbers=2", ["Trial 2", "AP 0.470"])
        assert "complete after 8 of" in page
        see(browser, f"{board}#timeseries", ["trials/0002/tensorboard"])
        see(browser, f"{board}#hparams", ["method.ema_momentum", "method.mix_count"])
        ports = {int(address.rstrip("/").rpartition(":")[2]) for address in addresses.values()}
        heard = {connection.laddr.ip for child in psutil.Process().children(recursive=True)
                 for connection in child.net_connections() if connection.status == "LISTEN"
                 and connection.laddr.port in ports}
        assert heard == {"127.0.0.1"}, "nothing is heard from outside"
    with pytest.raises(OSError):
        urllib.request.urlopen(optuna, timeout=2)


def test_notes_say_how_the_trials_stand_and_are_written_once(search: Path) -> None:
    board = read_leaderboard(search)
    assert "best AP: 0.470, trial 0002 (+0.070 over the paper's defaults" in get_note(board.study)
    versions = {key: value for key, value in board.study._storage.get_study_system_attrs(board.study._study_id).items()
                if key.endswith(":note_ver")}
    dashboard.write_notes(read_leaderboard(search))
    again = board.study._storage.get_study_system_attrs(board.study._study_id)
    assert versions and all(again[key] == value for key, value in versions.items())


def test_a_search_that_was_never_compared_is_shown_and_kept_up_to_date(make_search: Callable[..., Path]) -> None:
    rows = [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40), ((0.9, 1.0, 2), TrialState.RUNNING, 3, 0.2)]
    folder = make_search("running", rows, reference=False)
    dashboard.refresh(folder)
    shown = EventAccumulator(str(folder / HPARAMS / "0001"))
    shown.Reload()
    assert shown.Tags()["images"] and [event.value for event in shown.Scalars("ap")] == [pytest.approx(0.2)]
    study = read_study(folder)
    assert "**running** after 3 of" in get_note(Trial(study, study.get_trials()[1]._trial_id))
    study.tell(1, 0.2)
    dashboard.refresh(folder)
    assert "**complete** after 3 of" in get_note(Trial(study, study.get_trials()[1]._trial_id))


def test_the_poses_of_a_trial_are_kept_before_it_ends(make_search: Callable[..., Path]) -> None:
    rows = [((0.999, 0.5, 5), TrialState.RUNNING, 3, 0.2), ((0.9, 1.0, 2), TrialState.RUNNING, 0, None)]
    folder = make_search("young", rows, reference=False)
    board = read_leaderboard(folder)
    first, second = (Trial(board.study, trial._trial_id) for trial in board.study.get_trials())
    for trial in (first, second):
        keep_poses(folder, trial, board.config)
    (kept,) = get_all_artifact_meta(first, storage=board.study._storage)
    assert kept.filename == "poses.jpg" and get_all_artifact_meta(second, storage=board.study._storage) == []
    with FileSystemArtifactStore(folder / ARTIFACTS).open_reader(kept.artifact_id) as file:
        assert Image.open(file).size == (6 * 192, 2 * 256)


def test_a_port_that_is_taken_is_avoided() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert dashboard._free(number) != number
