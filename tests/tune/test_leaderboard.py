"""A leaderboard stands whatever the files of a search hold: what is no number is no score, what is no study is told."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from jobs import config as jobs_config
from jobs.run_folder.layout import CONFIG_FILE, METRICS_FILE
from tests.pipes import make_pipe
from trs.config import change
from trs.errors import InputError
from tune import compare
from tune.entry import Entry
from tune.leaderboard import Leaderboard, as_csv, as_text, read_leaderboard
from tune.place import STUDY_FILE
from tune.plan import TRIALS
from tune.report.comparison import render as render_several
from tune.report.page import REPORT_FILE
from tune.storage import open_study, read_study
from tune.study import REFERENCE_CAUSE

MakeSearch = Callable[..., Path]
PLACES = ["0002", "0005", "0000", "supervised", "0004", "0001", "0003", "0006"]
"""The runs of the search, from AP 0.47 down to one that has failed, and one that has not begun."""


@pytest.fixture
def folder(search: Path, tmp_path: Path) -> Path:
    """A copy of a search to damage."""
    return Path(shutil.copytree(search, tmp_path / search.name))


def names(board: Leaderboard) -> list[str]:
    return [entry.name for entry in board.entries]


def write_last(folder: Path, name: str, line: str | bytes) -> None:
    """Write the last line of a run's metrics."""
    file = folder / TRIALS / name / METRICS_FILE
    *before, _ = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([*before, line.encode() if isinstance(line, str) else line, b""]))


def shown(folder: Path) -> str:
    """All that is made of a search, in one text."""
    compare.main([str(folder)])
    board = read_leaderboard(folder)
    return "\n".join([as_text(board), as_csv(board), board.summary, render_several([board, board], folder.parent)])


@pytest.mark.parametrize("score", ["NaN", "Infinity", "-Infinity", "null", '"1.0"', "[1.0]", "true", "1" + "0" * 400])
def test_what_is_no_number_never_stands_first_nor_breaks_the_order(folder: Path, score: str) -> None:
    file = folder / TRIALS / "0001" / METRICS_FILE
    whole = json.loads(file.read_text().splitlines()[-1])
    del whole["ap"]
    write_last(folder, "0001", f'{json.dumps(whole)[:-1]}, "ap": {score}}}')
    board = read_leaderboard(folder)
    assert board.best is not None and board.best.name == "0002"
    assert names(board)[:5] == PLACES[:5] and sorted(names(board)[5:]) == sorted(PLACES[5:])
    assert [entry.score for entry in board.entries if entry.name == "0001"] == [None]
    assert [entry.score for entry in board.entries[:5]] == pytest.approx([0.47, 0.43, 0.4, 0.31, 0.25])
    assert "best AP: 0.470, trial 0002" in as_text(board) + board.summary


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, None, "1.0", [1.0], True, 10**400])
def test_a_score_that_was_never_in_a_file_is_none(score: Any) -> None:
    assert Entry("0001", "complete", {}, [{"step": 1, "epoch": 1, "ap": score}], "ap").score is None
    assert Entry("0001", "complete", {}, [{"step": 1, "epoch": 1}], "ap").score is None


def test_a_failed_trial_has_no_score_and_stands_last(make_search: MakeSearch) -> None:
    rows = [((0.9, 1.0, 1), TrialState.COMPLETE, 2, 0.1), ((0.9, 9.0, 9), TrialState.FAIL, 1, 1.0)]
    board = read_leaderboard(make_search("failed", rows, reference=False))
    assert names(board) == ["0000", "0001"] and board.entries[-1].score is None
    assert board.best is not None and board.best.name == "0000"
    assert "0001,failed,1,," in as_csv(board) and "1.000" not in as_text(board)


LINES = ["{}", "3", '{"step": 200, "epoch": 2}', '{"step": 200, "epoch": 2, "ap": 0.5}', b"\xff\xfe{\0}\0", b"\0" * 100,
         "[" * 100_000, "9" * 5000, '{"step": 200, "epoch": 2, "ap": 0.5, "steps_per_second": null, "loss": NaN}',
         '{"step": 200, "epoch": 2, "ap": 0.5, "steps_per_second": -1, "</script>\\u001b": 1}',
         '{"step": 1e15, "epoch": 1e15, "ap": 0.5, "steps_per_second": 5e-324}',
         '{"step": 200, "epoch": 2, "ap": 0.5, "peak_confidence": null}']


@pytest.mark.parametrize("first", [0, 6])
def test_malformed_metrics_end_in_no_traceback(folder: Path, first: int) -> None:
    for name, line in zip(PLACES[:6], LINES[first:first + 6], strict=True):
        write_last(folder, name, line)
    assert "best AP: 0." in shown(folder)


@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero"])
def test_metrics_that_are_no_file_are_none(folder: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / TRIALS / "0002" / METRICS_FILE
    file.unlink()
    if kind == "pipe":
        make_pipe(file, b'{"step": 200, "epoch": 2, "ap": 0.9}\n')
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to(kind)
    assert names(read_leaderboard(folder)) == PLACES
    assert "trials/0002/metrics.jsonl: it is not a regular file; its final ap is nothing, and" in told(folder, capsys)


def told(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one warning that the comparison of a search prints, which stands in its report too."""
    capsys.readouterr()
    compare.main([str(folder)])
    warning, = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WARNING: ")]
    assert html.escape(warning.removeprefix("WARNING: "), quote=False) in (folder / "report.html").read_text()
    return warning


def scored(ap: str) -> Callable[[bytes], bytes]:
    return lambda content: re.sub(rb'"ap": [^,]+', b'"ap": ' + ap.encode(), content)


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda content: content.decode().encode("utf-16"), "8 of its lines, of 8, hold no record of metrics and its"),
    (lambda content: b"\0" * 99, "its last line is cut short; its final ap is nothing"),
    (lambda content: b"[1, 2]\n", "1 of its lines, of 1, hold no record of metrics; its final ap"),
    (lambda content: content[:-20], "its last line is cut short; its final ap is 0.5"),
    (lambda content: b"", "its final ap is nothing"), (scored("NaN"), "its final ap is nothing"),
    (scored("-1"), "its final ap is nothing"), (scored("5.0"), "its final ap is nothing"),
    (scored("0.9"), "its final ap is 0.9")],
    ids=["UTF-16", "zeros", "a list", "cut", "empty", "NaN", "-1", "5", "another"])
def test_a_complete_trial_scores_what_the_study_says(folder: Path, spoil: Callable[[bytes], bytes], said: str,
                                                     capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / TRIALS / "0002" / METRICS_FILE
    file.write_bytes(spoil(file.read_bytes()))
    warning = told(folder, capsys)
    assert warning.startswith(f"WARNING: trials/0002/metrics.jsonl: {said}")
    assert warning.endswith(", and in the study 0.47, which counts")
    board = read_leaderboard(folder)
    assert names(board) == PLACES and board.best is not None and board.best.score == 0.47
    assert "0002,complete," in as_csv(board) and "best AP: 0.470, trial 0002" in board.summary


def test_of_sound_metrics_nothing_is_said(folder: Path) -> None:
    with (folder / TRIALS / "0006" / METRICS_FILE).open("a") as file:
        file.write('{"step": 1')  # it is running
    assert read_leaderboard(folder).doubts == []
    with (folder / TRIALS / "supervised" / METRICS_FILE).open("a") as file:
        file.write('{"step": 1')
    assert read_leaderboard(folder).doubts == ["trials/supervised/metrics.jsonl: its last line is cut short"]


def damaged(kind: str, file: Path) -> None:
    content = bytearray(file.read_bytes())
    if kind == "text":
        file.write_text("<!DOCTYPE html>" * 100)
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "cut":
        file.write_bytes(content[:len(content) // 2])
    elif kind == "flipped":
        for place in random.Random(0).sample(range(100, len(content)), len(content) // 20):
            content[place] ^= 255
        file.write_bytes(content)
    elif kind == "a page that nothing reads":
        with sqlite3.connect(file) as database:
            (size,), = database.execute("pragma page_size")
            (page,), = database.execute("select rootpage from sqlite_master where name = ?",
                                        ["sqlite_autoindex_trial_heartbeats_1"])
        content[(page - 1) * size:page * size] = bytes(size)
        file.write_bytes(content)
    elif kind == "pipe":
        file.unlink()
        make_pipe(file, bytes(content))
    elif kind == "folder":
        file.unlink()
        file.mkdir()
    else:
        file.unlink()
        with sqlite3.connect(file) as database:
            database.execute("create table songs (name text)")


@pytest.mark.parametrize(("kind", "reason"), [
    ("text", r"\(it is no database\)"), ("cut", r"\(.+\)"),
    ("a page that nothing reads", r"\(.+\)"), ("flipped", r"\(.+\)"), ("empty", r"\(it is no database\)"),
    ("foreign", r"\(it is a database of something else\)"), ("pipe", r"\(is not a regular file\)"),
    ("folder", r"\(is not a regular file\)")])
def test_a_study_that_is_none_is_told_and_left_as_it_is(folder: Path, kind: str, reason: str) -> None:
    file = folder / STUDY_FILE
    damaged(kind, file)
    before = file.read_bytes() if file.is_file() else None
    sentence = rf"study\.db cannot be read as the study of a search {reason}; restore it from a copy, or start the"
    readers: list[Callable[[], object]] = [lambda: read_study(folder), lambda: compare.main([str(folder)])]
    if kind != "empty":  # a search that was killed when it began goes on
        readers.append(lambda: open_study(folder, 1, 2))
    for read in readers:
        with pytest.raises(InputError, match=sentence) as refused:
            read()
        assert str(refused.value).isprintable()
    assert before is None or file.read_bytes() == before


def test_a_study_of_another_version_of_optuna_is_told(folder: Path) -> None:
    with sqlite3.connect(folder / STUDY_FILE) as database:
        database.execute("update alembic_version set version_num = 'v99.0.0.a'")
        database.execute("update version_info set library_version = '99.0.0'")
    for read in (lambda: read_study(folder), lambda: open_study(folder, 1, 2)):
        with pytest.raises(InputError, match=r"study\.db is of another version of Optuna \(.*99\.0\.0.*\); install"):
            read()


@pytest.mark.parametrize("change", [
    "update trials set state = 'LOST'", "update trial_params set distribution_json = '{'",
    "update trial_params set distribution_json = '[1]'", "update trials set datetime_start = 'yesterday'",
    "update trial_values set value_type = 'SOME'", "drop table trials", "drop table trial_values",
    "alter table trials drop column state"])
def test_a_study_with_damaged_values_is_told(folder: Path, change: str) -> None:
    with sqlite3.connect(folder / STUDY_FILE) as database:
        database.execute(change)
    for read in (lambda: read_study(folder), lambda: open_study(folder, 1, 2), lambda: compare.main([str(folder)])):
        with pytest.raises(InputError, match=r"cannot be read as the study of a search \(.*\); restore") as refused:
            read()
        assert str(refused.value).isprintable()


def test_a_search_that_was_killed_when_it_began_goes_on(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "begun"
    empty.mkdir()
    (empty / STUDY_FILE).touch()
    assert open_study(empty, 1, 2).trials == [] and read_study(empty).trials == []
    again = Path(shutil.copytree(folder, tmp_path / "copy" / folder.name))
    assert len(open_study(again, 1, 2).trials) == 7, "one that is there is opened"


def test_what_the_reference_waits_for_is_told(folder: Path) -> None:
    open_study(folder, 1, 2).set_user_attr(REFERENCE_CAUSE, "its node was lost")
    board = read_leaderboard(folder)
    assert "waits for another try: its node was lost" not in board.notes(board.reference), "it has come to its end"
    metrics = folder / TRIALS / "supervised" / METRICS_FILE
    metrics.write_text(metrics.read_text().splitlines(keepends=True)[0])
    board = read_leaderboard(folder)
    assert "waits for another try: its node was lost" in board.notes(board.reference)


def test_gains_are_those_of_the_people_who_chose_nothing(folder: Path) -> None:
    settings = jobs_config.load(folder / CONFIG_FILE)
    jobs_config.save(dataclasses.replace(settings, config=change(settings.config, {"data.dev_count": 5})),
                     folder / CONFIG_FILE)
    tested = {"0002": (0.41, 0.44), "0000": (0.42, 0.43), "supervised": (0.30, 0.30)}
    for name, (mean, ensemble) in tested.items():
        last = json.loads((folder / TRIALS / name / METRICS_FILE).read_text().splitlines()[-1])
        write_last(folder, name, json.dumps({**last, "test_ap": mean, "test_ap_ensemble": ensemble}))
    board = read_leaderboard(folder)
    assert board.best is not None and board.best.name == "0002"  # the test has no say in it
    assert board.gain(board.baseline) == pytest.approx(-0.01) and board.gain(board.reference) == pytest.approx(0.11)
    assert board.summary == ("best AP: 0.470, trial 0002; on the people who chose nothing 0.410 (-0.010 over the "
                             "paper's defaults, +0.110 over supervised training of as many steps, which take 1.00 of "
                             "the time), its ensemble 0.440")
    head, first, *_ = as_csv(board).splitlines()
    assert head.startswith("trial,status,epochs,ap,ap_ensemble,test_ap,test_ap_ensemble,method.")
    assert re.match(r"0002,complete,8,0.47,[\d.]*,0.41,0.44,", first)
    assert "test AP  ensemble" in as_text(board) and "0.410     0.440" in as_text(board)
    assert "5 people kept out of training" in board.choice
    compare.main([str(folder)])
    report = (folder / REPORT_FILE).read_text()
    assert "from 0.300 (supervised); of as many steps" in report and "from 0.420 (0000)" in report
    assert "0.410</" in report and "of people who chose nothing, its ensemble 0.440" in report
    compared = render_several([board, board], folder.parent)
    assert "0.420" in compared and "0.300" in compared


def test_who_is_measured_where_he_chose_is_said(folder: Path) -> None:
    board = read_leaderboard(folder)
    assert "test" not in as_csv(board) + as_text(board) and "flatters it; --data.dev-count" in board.choice
    assert "flatters it; --data.dev-count" in shown(folder) + (folder / "report.html").read_text()
