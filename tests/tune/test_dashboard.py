"""A search in optuna-dashboard and TensorBoard, as a browser shows it."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import TrialState
from optuna_dashboard import get_note
from PIL import Image
from selenium.common.exceptions import StaleElementReferenceException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tune.leaderboard import Leaderboard, read_leaderboard
from tune.optuna_private import live
from tune.publish.optuna_notes import ARTIFACTS, keep_poses, write_notes
from tune.publish.servers import _free, refresh, serve
from tune.publish.tensorboard import FOLDER as HPARAMS
from tune.report.gallery import Validation
from tune.report.page import REPORT_FILE
from tune.storage import read_study

SEEN = """const nodes = root => [...root.querySelectorAll('*')].flatMap(
    node => [node, ...(node.shadowRoot ? nodes(node.shadowRoot) : [])]);
const text = node => [...node.childNodes].map(child => child.nodeType === 3 ? child.data :
    ['STYLE', 'SCRIPT'].includes(child.tagName) ? '' : (child.shadowRoot ? text(child.shadowRoot) : '') + text(child)
        + ' ').join('');
return [text(document.body), nodes(document).filter(node => node.tagName === 'IMG' && node.naturalWidth > 1).length];"""
"""The words and the number of loaded images; TensorBoard builds its pages of nested shadow trees."""


def see(browser: Any, address: str, words: list[str], images: int = 0) -> str:
    """The page's text, once it has these words and so many images, without errors and without other machines."""
    browser.get("about:blank")  # another hash alone would not load the page anew
    browser.get(address)
    found, count = "", 0
    for _ in range(120):
        try:
            found, count = browser.execute_script(SEEN)
        except StaleElementReferenceException:
            continue
        found = " ".join(found.split())
        if all(word in found for word in words) and count >= images:
            asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
            assert not [name for name in asked if not name.startswith(("http://127.0.0.1:", "data:", "blob:"))]
            assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
            return found
        time.sleep(0.25)
    raise AssertionError(f"{[word for word in words if word not in found]}, {count} images: {found[:2000]}")


def validation(board: Leaderboard) -> Validation:
    return Validation(board.folder, board.config.data)


def heard_at(ports: set[int]) -> set[str]:
    """The addresses at which this process's children listen on these ports."""
    heard = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            heard |= {connection.laddr.ip for connection in child.net_connections()
                      if connection.status == "LISTEN" and connection.laddr.port in ports}
    return heard


def assert_guarded(address: str, path: str) -> None:
    """Without the token, or by another name of this machine, nothing is read and nothing deleted."""
    where = urlsplit(address)
    token = parse_qs(where.query)["token"][0]
    for method in ("GET", "DELETE"):
        for host, query in ((where.netloc, ""), ("evil.example", f"?token={token}")):
            connection = http.client.HTTPConnection("127.0.0.1", where.port, timeout=30)
            connection.request(method, path + query, headers={"Host": host})
            assert connection.getresponse().status == 403


@pytest.mark.long
@pytest.mark.usefixtures("ray_cluster")
def test_a_browser_sees_a_trained_search(trained_search: Path, tmp_path: Path, browser: Any) -> None:
    """Its report, optuna-dashboard and TensorBoard."""
    folder = shutil.copytree(trained_search, tmp_path / trained_search.name)
    see(browser, f"file://{folder / REPORT_FILE}", ["paper's defaults", "Leaderboard"])
    first_trials = read_study(folder).get_trials()
    first = first_trials[0]
    with serve(folder, 0, 0) as addresses:
        study = read_study(folder)._study_id
        optuna, board = addresses["optuna-dashboard"], addresses["TensorBoard"]
        assert optuna.startswith("http://127.0.0.1:") and board.startswith("http://127.0.0.1:")
        assert_guarded(optuna, f"/api/studies/{study}")
        assert_guarded(board, "/data/runs")
        assert len(read_study(folder).get_trials()) == len(first_trials), "nobody has deleted it"
        see(browser, optuna, [folder.name])
        browser.get(board)
        optuna, board = (address.partition("?")[0] for address in (optuna, board))
        see(browser, f"{optuna}dashboard/studies/{study}/trials?numbers=0",
            ["Trial 0", f"AP {first.value:.3f}", "complete after 2 of", "poses.jpg"], images=1)
        see(browser, f"{board}#timeseries", ["trials/0000/tensorboard", "trials/supervised/tensorboard"])
        see(browser, f"{board}#images", ["poses"], images=2)
        see(browser, f"{board}#hparams", ["method.ema_momentum", "method.mix_count"])
        ports = {int(urlsplit(address).port or 0) for address in addresses.values()}
        assert heard_at(ports) == {"127.0.0.1"}, "nothing is heard from outside"
    with pytest.raises(OSError):
        urllib.request.urlopen(optuna, timeout=2)


def test_notes_say_how_the_trials_stand_and_are_written_once(search: Path) -> None:
    board = read_leaderboard(search)
    assert "best AP: 0.470, trial 0002 (+0.070 over the paper's defaults" in get_note(board.study)
    versions = {key: value for key, value in board.study._storage.get_study_system_attrs(board.study._study_id).items()
                if key.endswith(":note_ver")}
    write_notes(read_leaderboard(search))
    again = board.study._storage.get_study_system_attrs(board.study._study_id)
    assert versions and all(again[key] == value for key, value in versions.items())


def test_a_search_that_was_never_compared_is_shown_and_kept_up_to_date(make_search: Callable[..., Path]) -> None:
    rows = [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40), ((0.9, 1.0, 2), TrialState.RUNNING, 3, 0.2)]
    folder = make_search("running", rows, reference=False)
    people = validation(read_leaderboard(folder))
    refresh(read_leaderboard(folder), people)
    events = EventAccumulator(str(folder / HPARAMS / "0001"))
    events.Reload()
    assert events.Tags()["images"] and [event.value for event in events.Scalars("ap")] == [pytest.approx(0.2)]
    study = read_study(folder)
    assert "**running** after 3 of" in get_note(live(study, study.get_trials()[1]))
    study.tell(1, 0.2)
    refresh(read_leaderboard(folder), people)
    assert "**complete** after 3 of" in get_note(live(study, study.get_trials()[1]))


def test_the_poses_of_a_trial_are_kept_before_it_ends(make_search: Callable[..., Path]) -> None:
    rows = [((0.999, 0.5, 5), TrialState.RUNNING, 3, 0.2), ((0.9, 1.0, 2), TrialState.RUNNING, 0, None)]
    folder = make_search("young", rows, reference=False)
    board = read_leaderboard(folder)
    first, second = (live(board.study, trial) for trial in board.study.get_trials())
    for trial in (first, second):
        keep_poses(folder, trial, validation(board))
    (kept,) = get_all_artifact_meta(first, storage=board.study._storage)
    assert kept.filename == "poses.jpg" and get_all_artifact_meta(second, storage=board.study._storage) == []
    with FileSystemArtifactStore(folder / ARTIFACTS).open_reader(kept.artifact_id) as file:
        assert Image.open(file).size == (6 * 192, 2 * 256)


def test_a_port_that_is_taken_is_avoided() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert _free(number) != number
