"""A search knows itself wherever it lies, and lists each trial under what it was trained with."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from jobs import config as jobs_config
from jobs.config import Job
from jobs.run_folder.layout import CONFIG_FILE
from jobs.run_folder.suggestion import SUGGESTION_FILE, write_suggestion
from trs.errors import InputError
from trs.presets import demo
from tune.identity import HOME, ORIGIN, identities, require_whole, settle, suggestion_of
from tune.leaderboard import read_leaderboard
from tune.place import STUDY_FILE
from tune.plan import SUPERVISED, TRIALS, trial_name
from tune.space import parse_space
from tune.storage import open_study, read_study

SPACE = parse_space(["method.unsup_weight=0.1..10:log", "method.mix_count=0..9"])


def resume(folder: Path, trials: int = 1) -> str | None:
    """What a search does with its study: it knows itself, then trains some more; what was told."""
    if (folder / STUDY_FILE).exists():
        require_whole(folder)
    folder.mkdir(exist_ok=True)
    jobs_config.save(Job(demo()), folder / CONFIG_FILE)
    study = open_study(folder, 1, 2)
    study, told = settle(study, folder)
    for _ in range(trials):
        trial = study.ask(SPACE)
        train(folder, study, trial)
        study.tell(trial, 0.5)
    return told


def train(folder: Path, study: optuna.Study, trial: optuna.trial.Trial) -> None:
    run = folder / TRIALS / trial_name(trial.number)
    run.mkdir(parents=True)
    write_suggestion(run, suggestion_of(identities(study), trial_name(trial.number), dict(trial.params)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A search of three trials."""
    resume(tmp_path / "first", 3)
    return tmp_path / "first"


class Killed(optuna.Study):
    """A study whose writer is killed after the first word of who it is."""

    def set_user_attr(self, key: str, value: Any) -> None:
        super().set_user_attr(key, value)
        raise KeyboardInterrupt


def test_a_search_that_was_killed_while_it_first_wrote_who_it_is_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "first"
    folder.mkdir()
    study = open_study(folder, 1, 2)
    with pytest.raises(KeyboardInterrupt):
        settle(Killed(study.study_name, study._storage), folder)
    assert settle(open_study(folder, 1, 2), folder)[1] is None and len(known(folder)) == 1


def known(folder: Path) -> list[str]:
    return identities(read_study(folder))


def listed(folder: Path) -> dict[str, Any]:
    return {entry.name: entry.values for entry in read_leaderboard(folder).entries}


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder of another file system."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


@pytest.mark.parametrize("name", ["second", "a b", "wärme", "what?", "100%20", "{x}", "#1"])
def test_a_search_of_another_name_is_the_same(folder: Path, name: str) -> None:
    before, values = known(folder), listed(folder)
    there = folder.rename(folder.with_name(name))
    assert resume(there) is None and known(there) == before
    assert listed(there).items() > values.items() and len(listed(there)) == 4


def test_a_search_that_was_moved_to_another_disk_is_the_same(folder: Path, elsewhere: Path) -> None:
    before = known(folder)
    there = Path(shutil.move(folder, elsewhere / "moved"))
    assert resume(there) is None and known(there) == before
    assert read_study(there).user_attrs[HOME]["path"] == str(there)


def test_a_search_seen_through_a_link_is_the_same(folder: Path) -> None:
    before = known(folder)
    link = folder.with_name("link")
    link.symlink_to(folder)
    assert resume(link) is None and known(folder) == before


UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""Root's files stay readable, an environment's in a folder of root's own among them; somebody else's do not."""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root may own another's files")
def test_a_search_from_a_place_that_one_may_not_read_goes_on(folder: Path, elsewhere: Path) -> None:
    copy = Path(shutil.copytree(folder, elsewhere / "copy"))
    folder.parent.chmod(0o700)
    os.chown(folder.parent, 65534, 65534)
    ended = subprocess.run([*UNPRIVILEGED, sys.executable, "-c", RESUME, str(copy)], text=True, capture_output=True,
                           cwd=Path(__file__).parents[2])
    assert ended.stdout == f"{copy} is a copy of {folder} and goes on as a search of its own\n", ended.stderr


RESUME = """
import sys
from pathlib import Path
from tests.tune.test_identity import resume
print(resume(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("other_disk", [False, True])
def test_a_copy_becomes_a_search_of_its_own_and_says_of_what(folder: Path, elsewhere: Path, other_disk: bool) -> None:
    before, values = known(folder), listed(folder)
    copy = Path(shutil.copytree(folder, (elsewhere if other_disk else folder.parent) / "copy"))
    told = resume(copy)
    assert told == f"{copy} is a copy of {folder} and goes on as a search of its own"
    assert known(folder) == before and known(copy)[1:] == before and known(copy)[0] not in before
    assert read_study(copy).user_attrs[ORIGIN] == str(folder)
    assert resume(copy) is None, "it is told once"
    assert listed(copy).items() > values.items() and listed(folder) == values


def test_a_copy_at_the_place_that_the_original_has_left_is_a_copy(folder: Path) -> None:
    before = known(folder)
    original = folder.rename(folder.with_name("old"))
    shutil.copytree(original, folder)
    assert resume(folder) == f"{folder} is a copy of {folder} and goes on as a search of its own"
    assert known(folder)[1:] == before and resume(original) is None and known(original) == before


def test_a_backup_that_takes_the_originals_place_is_the_same_search(folder: Path, tmp_path: Path) -> None:
    before = known(folder)
    backup = Path(shutil.copytree(folder, tmp_path / "backup"))
    shutil.rmtree(folder)
    backup.rename(folder)
    assert resume(folder) is None and known(folder) == before


@pytest.mark.parametrize("links", ["-al", "-as"])
def test_a_copy_by_links_leaves_the_original_as_it_was(folder: Path, links: str) -> None:
    subprocess.run(["cp", links, folder, folder.with_name("linked")], check=True)
    if links == "-as":  # what was written by its name is the original's too, but for what is written whole
        (folder.with_name("linked") / CONFIG_FILE).unlink()
    before = (folder / STUDY_FILE).read_bytes()
    assert resume(folder.with_name("linked"), 2) == f"{folder.with_name('linked')} is a copy of {folder} and goes on " \
        "as a search of its own"
    assert (folder / STUDY_FILE).read_bytes() == before
    assert [len(read_study(each).trials) for each in (folder, folder.with_name("linked"))] == [3, 5]


def test_what_a_worker_wrote_is_listed_and_what_the_study_says_against_it_is_told(folder: Path) -> None:
    run, other = (folder / TRIALS / name for name in ("0001", "0002"))
    trained = json.loads((other / SUGGESTION_FILE).read_text())
    (run / SUGGESTION_FILE).write_text(json.dumps({**trained, "trial": "0001"}))
    board = read_leaderboard(folder)
    entry = next(entry for entry in board.entries if entry.name == "0001")
    assert entry.values == trained["values"]
    assert any("trials/0001" in told and "it was trained with method." in told for told in board.doubts)
    with pytest.raises(InputError, match=r"trials/0001: it was trained with .*restore both from one copy"):
        require_whole(folder)


@pytest.mark.parametrize(("change", "sentence"), [
    ({"trial": "0007"}, "trial 0007 was trained there"), ({"search": "f" * 32}, "a trial of another search")])
def test_a_run_of_somewhere_else_is_refused(folder: Path, change: dict[str, str], sentence: str) -> None:
    file = folder / TRIALS / "0001" / SUGGESTION_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=sentence):
        require_whole(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"search": 1, "trial": "0001", "values": {}}', b"\xff"])
def test_a_damaged_statement_is_told_in_a_sentence(folder: Path, content: bytes) -> None:
    (folder / TRIALS / "0001" / SUGGESTION_FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"suggestion\.json .*; restore it from a copy"):
        require_whole(folder)
    board = read_leaderboard(folder)  # of the others the table tells still
    assert sorted(entry.name for entry in board.entries) == ["0000", "0001", "0002"]
    assert any("/trials/0001/suggestion.json" in told and "; restore it from a copy" in told for told in board.doubts)


@pytest.mark.parametrize("lose", ["gone", "empty"])
@pytest.mark.parametrize("trained", ["trials", "the reference alone"])
def test_a_lost_study_is_never_made_anew_over_trials(folder: Path, lose: str, trained: str) -> None:
    if trained == "the reference alone":
        (folder / TRIALS / "0000").rename(folder / TRIALS / SUPERVISED)
        for run in (folder / TRIALS).glob("[0-9]*"):
            shutil.rmtree(run)
    file = folder / STUDY_FILE
    file.unlink()
    if lose == "empty":
        file.touch()
    for refuse in (lambda: require_whole(folder), lambda: open_study(folder, 1, 2)):
        with pytest.raises(InputError, match=r"restore it from a copy"):
            refuse()
    assert (file.read_bytes() if file.exists() else b"") == b""


@pytest.mark.parametrize("of", ["before", "another search"])
def test_a_study_that_does_not_know_what_was_trained_is_refused(folder: Path, tmp_path: Path, of: str) -> None:
    """One from an older copy, and another search's that has begun: their next trials would meet those folders."""
    other = tmp_path / "other"
    resume(other, 0)
    if of == "before":
        shutil.copy(folder / STUDY_FILE, other / STUDY_FILE)
        resume(folder, 2)
    shutil.copy(other / STUDY_FILE, folder / STUDY_FILE)
    first = {"before": "0003", "another search": "0000"}[of]
    with pytest.raises(InputError, match=f"trials/{first} was trained, and the study of this search does not know it"):
        require_whole(folder)
    assert any(f"trials/{first}: it was trained, and the study does not know" in told
               for told in read_leaderboard(folder).doubts)


def test_the_reference_of_another_search_is_refused_and_told(folder: Path, tmp_path: Path) -> None:
    reference = folder / TRIALS / SUPERVISED
    reference.mkdir()
    write_suggestion(reference, suggestion_of(known(folder), SUPERVISED, {}))
    require_whole(folder)
    assert not any("supervised" in told for told in read_leaderboard(folder).doubts)
    write_suggestion(reference, suggestion_of(["another"], SUPERVISED, {}))
    with pytest.raises(InputError, match="supervised: a trial of another search was trained there"):
        require_whole(folder)
    assert any("a trial of another search was trained there" in told for told in read_leaderboard(folder).doubts)


def test_a_folder_of_two_studies_is_refused(folder: Path) -> None:
    optuna.create_study(storage=f"sqlite:///{folder / STUDY_FILE}", study_name="second")
    with pytest.raises(InputError, match=r"holds 2 searches \(first, second\)"):
        read_study(folder)


def test_a_search_of_0_1_is_known_from_its_next_write_on(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / STUDY_FILE)) as database, database:
        database.execute("delete from study_user_attributes")
    for file in folder.glob(f"{TRIALS}/*/{SUGGESTION_FILE}"):
        file.unlink()
    assert len(listed(folder)) == 3 and known(folder) == []
    renamed = folder.rename(folder.with_name("second"))
    assert resume(renamed) is None and len(known(renamed)) == 1 and len(listed(renamed)) == 4


def test_whatever_is_done_to_folders_each_setting_is_what_the_worker_wrote(tmp_path: Path, elsewhere: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    draw, written = random.Random(seed), dict[str, Any]()

    def look(folder: Path) -> None:
        for name, values in listed(folder).items():
            assert values == written[(folder / TRIALS / name / "nonce").read_text()]

    def go_on(folder: Path) -> None:
        resume(folder)
        for run in (folder / TRIALS).iterdir():
            if not (run / "nonce").exists():
                (run / "nonce").write_text(uuid.uuid4().hex)
                written[(run / "nonce").read_text()] = json.loads((run / SUGGESTION_FILE).read_text())["values"]

    folders = [tmp_path / "0"]
    go_on(folders[0])
    for number in range(1, 41):
        folder = draw.choice(folders)
        new = draw.choice([tmp_path, elsewhere]) / str(number)
        match draw.choice(["rename", "copy", "move", "resume", "look"]):
            case "rename":
                folders[folders.index(folder)] = folder.rename(folder.with_name(str(number)))
            case "move":
                folders[folders.index(folder)] = Path(shutil.move(folder, new))
            case "copy":
                folders.append(Path(shutil.copytree(folder, new)))
            case "resume":
                go_on(folder)
        for each in folders:
            look(each)
