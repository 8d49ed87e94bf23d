"""The comparison: its order, its files and what it prints."""

from __future__ import annotations

import csv
import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from jobs import config as jobs_config
from jobs.config import ClusterConfig, Job
from jobs.run_folder.layout import CONFIG_FILE, MISTAKE_FILE
from trs import config as configs
from trs.config import change
from trs.errors import InputError
from tune import compare
from tune.cli import SearchCommand
from tune.leaderboard import read_leaderboard
from tune.plan import SUPERVISED, TRIALS, Plan, Search
from tune.publish.files import BEST_FILE, LEADERBOARD_FILE
from tune.publish.tensorboard import FOLDER as HPARAMS
from tune.report import comparison
from tune.report.page import REPORT_FILE

MakeSearch = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / LEADERBOARD_FILE).open() as file:
        return list(csv.DictReader(file))


def test_the_leaderboard_is_ordered_by_the_last_ap(search: Path) -> None:
    board = read_leaderboard(search)
    assert [entry.name for entry in board.entries] == ["0002", "0005", "0000", "supervised", "0004", "0001", "0003",
                                                       "0006"]
    assert [entry.score for entry in board.entries] == [0.47, 0.43, 0.40, 0.31, 0.25, 0.05, None, None]
    assert board.best and board.best.name == "0002"
    assert board.gain(board.baseline) == pytest.approx(0.07)
    assert board.gain(board.reference) == pytest.approx(0.16)


def test_csv_has_a_row_a_run(search: Path) -> None:
    rows = _rows(search)
    assert list(rows[0]) == ["trial", "status", "epochs", "ap", "ap_ensemble", "method.ema_momentum",
                             "method.unsup_weight", "method.mix_count"]
    assert rows[0] == {"trial": "0002", "status": "complete", "epochs": "8", "ap": "0.47", "ap_ensemble": "",
                       "method.ema_momentum": "0.97", "method.unsup_weight": "1.0", "method.mix_count": "4"}
    assert {row["trial"]: row["status"] for row in rows} == {
        "0000": "complete", "0001": "pruned", "0002": "complete", "0003": "failed", "0004": "pruned",
        "0005": "complete", "0006": "running", "supervised": "reference"}
    assert rows[-1]["ap"] == "" and rows[-1]["epochs"] == "0"


def test_best_config_is_that_of_the_best_complete_trial(search: Path) -> None:
    best = configs.load(search / BEST_FILE)
    assert best == configs.load(search / TRIALS / "0002" / CONFIG_FILE)
    assert best.method == configs.TRSConfig(ema_momentum=0.97, unsup_weight=1.0, mix_count=4)


def test_best_config_asks_for_the_machines_of_the_search(make_search: MakeSearch) -> None:
    folder = make_search("machines", [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40)])
    job = jobs_config.load(folder / CONFIG_FILE)
    moved = change(job.config, {"data.root": "/moved"})
    jobs_config.save(Job(moved, ClusterConfig(cpus_per_worker=3, threads=2)), folder / CONFIG_FILE)
    compare.main([str(folder)])
    best = jobs_config.load(folder / BEST_FILE)
    assert (best.cluster.cpus_per_worker, best.cluster.threads) == (3, None)
    assert best.config == change(moved, {"method.ema_momentum": 0.999, "method.unsup_weight": 0.5,
                                         "method.mix_count": 5})


def test_a_pruned_trial_is_never_the_best_once_one_is_complete(make_search: MakeSearch) -> None:
    rows = [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.2), ((0.9, 1.0, 2), TrialState.PRUNED, 2, 0.3)]
    board = read_leaderboard(make_search("lucky", rows))
    assert [entry.name for entry in board.entries] == [SUPERVISED, "0001", "0000"]
    assert board.best and board.best.name == "0000"


def test_what_is_printed(search: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare.main([str(search)])
    lines = capsys.readouterr().out.splitlines()
    table = lines[:9]
    assert len({line.index(word) + len(word) for line, word in zip(table[:4], ("AP", "0.470", "0.430", "0.400"),
                                                                   strict=True)}) == 1
    assert table[3].startswith("0000") and table[3].endswith("paper's defaults")
    assert table[4].startswith("supervised") and table[4].endswith("supervised")
    assert ("best AP: 0.470, trial 0002 (+0.070 over the paper's defaults, +0.160 over supervised training of "
            "as many steps, which take 1.00 of the time)") in lines
    assert lines[-4:-1] == [str(search / name) for name in ("leaderboard.csv", "best.yaml", "report.html")]
    assert lines[-1].endswith(f"python -m jobs.train --config {search / 'best.yaml'}")


def test_comparing_twice_changes_nothing(search: Path) -> None:
    names = (LEADERBOARD_FILE, BEST_FILE, REPORT_FILE)
    before = {name: (search / name).read_bytes() for name in names}
    files = len(list(search.rglob("*")))
    compare.main([str(search)])
    assert {name: (search / name).read_bytes() for name in names} == before
    assert len(list(search.rglob("*"))) == files
    assert not list(search.glob("*.partial*"))


def test_hparams_are_one_event_file_a_trial(search: Path) -> None:
    folders = sorted(path.name for path in (search / HPARAMS).iterdir())
    assert folders == ["0000", "0001", "0002", "0004", "0005"], "0003 has failed"
    assert all(len(list((search / HPARAMS / name).iterdir())) == 1 for name in folders)
    events = EventAccumulator(str(search / HPARAMS / "0002"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("ap")] == [(8, pytest.approx(0.47))]
    content = HParamsPluginData.FromString(
        events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    values = {name: value.number_value for name, value in content.session_start_info.hparams.items()}
    assert values == {"method.ema_momentum": 0.97, "method.unsup_weight": 1.0, "method.mix_count": 4}


def test_a_search_is_found_by_name_and_by_folder(search: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = search.parent
    monkeypatch.chdir(runs.parent)
    assert SearchCommand("demo", Path(runs.name)).folder == search
    assert SearchCommand(f"{runs.name}/demo").folder == search
    assert SearchCommand(str(search)).folder == search
    monkeypatch.chdir(search)
    assert SearchCommand(".").folder == search


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_a_search_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"there is no search in .*run_tune\.py"):
        compare.main([name, "--out", str(tmp_path)])
    assert not list(tmp_path.rglob("*.db"))


def test_a_folder_of_another_name_holds_the_same_search(search: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(search, tmp_path / "other"))
    compare.main([str(other)])
    assert (other / "leaderboard.csv").read_bytes() == (search / "leaderboard.csv").read_bytes()


def test_before_a_trial_is_complete_the_best_so_far_stands_in(make_search: MakeSearch) -> None:
    rows = [((0.999, 0.5, 5), TrialState.RUNNING, 3, 0.2), ((0.9, 1.0, 2), TrialState.PRUNED, 1, 0.1),
            ((0.9, 1.0, 3), TrialState.FAIL, 1, 0.9)]
    folder = make_search("young", rows)
    compare.main([str(folder)])
    page = (folder / REPORT_FILE).read_text()
    assert "Best AP so far" in page and "Importance needs at least 10 complete trials" in page
    assert configs.load(folder / BEST_FILE) == configs.load(folder / TRIALS / "0000" / CONFIG_FILE)
    board = read_leaderboard(folder)
    assert board.gain(board.reference) is None


def test_a_reference_that_failed_is_told_and_not_waited_for(make_search: MakeSearch) -> None:
    folder = make_search("half", [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40)])
    config = configs.load(folder / CONFIG_FILE)
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=9))
    search = Search(folder, Job(config), Plan(1, grace_epochs=1), {})
    assert search.reference_is_left()
    (folder / TRIALS / SUPERVISED / MISTAKE_FILE).write_text("the gradients are not finite")
    assert not search.reference_is_left()
    board = read_leaderboard(folder)
    assert board.reference is None and {entry.name: entry.status for entry in board.entries}[SUPERVISED] == "failed"


def test_a_search_without_any_epoch(make_search: MakeSearch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [((0.999, 0.5, 5), TrialState.RUNNING, 0, None)]
    folder = make_search("new", rows, reference=False)
    compare.main([str(folder)])
    assert "no trial has been evaluated yet" in capsys.readouterr().out
    assert "no trial has been evaluated yet" in (folder / REPORT_FILE).read_text()
    assert not (folder / BEST_FILE).exists()


def test_several_searches_are_laid_side_by_side(search: Path, make_search: MakeSearch, browser: Any) -> None:
    other = make_search("other", [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40), ((0.9, 2.0, 1), TrialState.PRUNED, 2,
                                                                                    0.2)], reference=False)
    compare.main([str(other), str(search)])
    browser.get(f"file://{other.parent / 'comparison.html'}")
    rows = [row.text for row in browser.find_elements("css selector", "#searches tbody tr")]
    assert rows[0].startswith("other trs 0.400 (0000) – – – 0.400 – – – 1 1 0 10 ")
    assert rows[1].startswith("demo trs 0.470 (0002) – – – 0.400 – 0.310 – 3 2 1 ")
    differences = [row.text for row in browser.find_elements("css selector", "#settings tbody tr")]
    assert sorted(differences) == ["method.ema_momentum 0.999 0.97", "method.mix_count 5 4",
                                   "method.unsup_weight 0.5 1"]
    found = browser.execute_script("return document.getElementById('progress').data.map(line => line.y)")
    assert found == [[0.4, 0.4], [0.4, 0.4, 0.47, 0.47, 0.47, 0.47]], "it never falls"
    spent = browser.execute_script("return document.getElementById('progress').data.map(line => line.x)")
    assert spent == [[8, 10], [8, 9, 17, 19, 23, 31]], "a failed trial has cost its epochs too"
    browser.find_element("link text", "other").click()
    assert browser.title == "other: search report"
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_searches_that_are_measured_in_other_ways_are_told(search: Path, make_search: MakeSearch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    other = make_search("other", [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40)], reference=False)
    compare.main([str(other), str(search)])
    assert "WARNING" not in capsys.readouterr().out
    config = configs.load(other / CONFIG_FILE)
    flipped = dataclasses.replace(config.eval, flip_test=True)
    configs.save(dataclasses.replace(config, eval=flipped), other / CONFIG_FILE)
    compare.main([str(other), str(search)])
    assert "WARNING: the searches differ in eval.flip_test; hold" in capsys.readouterr().out
    assert "Caution: the searches differ in eval.flip_test" in (other.parent / "comparison.html").read_text()


def test_searches_of_one_name_are_told_apart_by_their_folders(make_search: MakeSearch) -> None:
    rows = [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40)]
    boards = [read_leaderboard(make_search(f"{parent}/same", rows, reference=False)) for parent in ("one", "two")]
    assert comparison.names_of(boards) == ["one/same", "two/same"] and comparison.names_of(boards[:1]) == ["same"]

@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Locales of older encodings, as some machines still have them."""
    folder = tmp_path_factory.mktemp("locales")
    for language, encoding in (("en_US", "ISO-8859-1"), ("zh_CN", "GBK")):
        try:
            made = subprocess.run(["localedef", "-c", "-i", language, "-f", encoding,
                                   folder / f"{language}.{encoding}"], capture_output=True)
        except FileNotFoundError:
            pytest.skip("localedef is not installed")
        if not (folder / f"{language}.{encoding}").exists():
            pytest.skip(f"this machine makes no locales: {made.stderr.decode()}")
    return folder


@pytest.mark.parametrize("environment", [
    {"LC_ALL": "en_US.ISO-8859-1"}, {"LC_ALL": "zh_CN.GBK"}, {"LC_ALL": "C"},
    {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii"}], ids=str)
def test_a_report_is_utf_8_in_any_locale(make_search: MakeSearch, locales: Path,
                                         environment: dict[str, str]) -> None:
    folder = make_search("größe 大", [((0.999, 0.5, 5), TrialState.COMPLETE, 2, 0.40)])
    old = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    done = subprocess.run(
        [sys.executable, "-m", "tune.compare", os.fsencode(folder)], cwd=ROOT, capture_output=True, timeout=300,
        env=old | {"PYTHONUTF8": "0", "LOCPATH": str(locales), **environment})
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    report = (folder / "report.html").read_text("utf-8")
    assert "größe 大" in report
    encoding = {"en_US.ISO-8859-1": "latin-1", "zh_CN.GBK": "gbk"}.get(environment.get("LC_ALL", ""), "ascii")
    assert f"{folder}/report.html".encode(encoding, "backslashreplace") in done.stdout
    assert (folder / "leaderboard.csv").read_text("utf-8").startswith("trial,status")
    assert jobs_config.load(folder / "best.yaml") and sorted(path.name for path in folder.parent.iterdir()) == [
        folder.name]


def test_a_search_that_cannot_be_written_is_shown_and_left_as_it_is(make_search: MakeSearch) -> None:
    """A colleague's; root, who may write anywhere, gives that right away here."""
    lamed = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if os.geteuid() or subprocess.run([*lamed, "true"], capture_output=True).returncode:
        pytest.skip("this test takes rights away from root")
    folder = make_search("theirs", [((0.999, 0.5, 5), TrialState.COMPLETE, 2, 0.40)])
    os.chown(folder, 12345, 12345)
    before = sorted(folder.rglob("*"))
    for command in ("compare", "dashboard"):
        done = subprocess.run([*lamed, sys.executable, "-m", f"tune.{command}", folder], cwd=ROOT, capture_output=True,
                              text=True, timeout=300)
        assert done.returncode == 2 and ("best AP: 0.400" in done.stdout) == (command == "compare")
        assert done.stderr == (f"error: {folder} can be read and not written (Permission denied): for its report and "
                               "its pages, copy the folder and name the copy\n")
        assert sorted(folder.rglob("*")) == before
