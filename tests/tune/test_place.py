"""Where studies lie: files of SQLite, journals, and a real PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
import psutil
import pytest

from jobs import config as jobs_config
from jobs.config import Job
from jobs.run_folder.layout import CONFIG_FILE
from jobs.run_folder.suggestion import write_suggestion
from tests.documentation.causes import causes
from tests.faults.conftest import free_port
from trs.errors import InputError
from trs.presets import demo
from tune.going_on import require_continuable
from tune.identity import ORIGIN, identities, require_whole, settle, suggestion_of
from tune.leaderboard import read_leaderboard
from tune.place import (
    ELSEWHERE_FILE,
    JOURNAL_FILE,
    STUDY_FILE,
    Elsewhere,
    JournalFile,
    SqliteFile,
    file_system_of,
    is_of_network,
    place_of,
    url_of,
)
from tune.plan import TRIALS, Plan, trial_name
from tune.space import parse_space
from tune.storage import open_study, read_study, require_reachable

SPACE = parse_space(["method.unsup_weight=0.1..10:log", "method.mix_count=0..9"])


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of the tests' own."""

    folder: Path
    binaries: Path
    port: int

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of PostgreSQL's, which root may not, as somebody else."""
        words = [str(self.binaries / program), *arguments]
        words = words if os.geteuid() else ["runuser", "-u", "nobody", "--", *words]
        return subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=120)

    def start(self) -> None:
        """Start it, on loopback."""
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1"
        started = self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"),
                           "-o", options, "start")
        assert started.returncode == 0, started.stdout + started.stderr

    def stop(self) -> None:
        """Stop it at once."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    @property
    def address(self) -> str:
        """With the password."""
        return f"postgresql://tests:secret@127.0.0.1:{self.port}/postgres"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("there is no PostgreSQL here: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: it has a socket
    folder.chmod(0o777)
    made = Server(folder, found[-1].parent, free_port())
    (folder / "password").write_text("secret")
    begun = made.run("initdb", "-D", str(folder / "data"), "-U", "tests", "-A", "scram-sha-256", "--pwfile",
                     str(folder / "password"))
    assert begun.returncode == 0, begun.stderr
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command leaves in its environment goes with the test."""
    monkeypatch.setenv("PGPASSWORD", "")


def search(folder: Path, trials: int, wanted: str | None = None) -> str | None:
    """What a search does with its study; what was told."""
    folder.mkdir(exist_ok=True)
    if (folder / CONFIG_FILE).exists():
        require_whole(folder, wanted)
    jobs_config.save(Job(demo()), folder / CONFIG_FILE)
    study, told = settle(open_study(folder, 1, 2, wanted), folder)
    for _ in range(trials):
        trial = study.ask(SPACE)
        run = folder / TRIALS / trial_name(trial.number)
        run.mkdir(parents=True)
        write_suggestion(run, suggestion_of(identities(study), run.name, dict(trial.params)))
        trial.report(0.4, 1)
        trial.should_prune()
        study.tell(trial, 0.5)
    return told


def listed(folder: Path) -> dict[str, object]:
    return {entry.name: entry.values for entry in read_leaderboard(folder).entries}


def on_postgresql(folder: Path, server: Server) -> None:
    search(folder, 3, server.address)


def on_a_journal(folder: Path) -> None:
    folder.mkdir()
    (folder / JOURNAL_FILE).touch()  # as one that began on a network file system
    search(folder, 3)


def test_a_search_in_a_database_elsewhere_is_found_by_what_its_folder_says(tmp_path: Path, server: Server,
                                                                           password: None) -> None:
    on_postgresql(tmp_path / "first", server)
    noted = (tmp_path / "first" / ELSEWHERE_FILE).read_text()
    assert "secret" not in noted and json.loads(noted)["study"].startswith("first-")
    moved = (tmp_path / "first").rename(tmp_path / "moved ?%20")
    assert search(moved, 2) is None and len(listed(moved)) == 5
    assert not (moved / STUDY_FILE).exists() and not (moved / JOURNAL_FILE).exists()


def test_a_database_that_has_moved_is_asked_where_it_is_by_now(tmp_path: Path, server: Server, password: None) -> None:
    folder = tmp_path / "first"
    on_postgresql(folder, server)
    noted = json.loads((folder / ELSEWHERE_FILE).read_text())
    gone = noted | {"url": re.sub(r"@[^/]*", "@127.0.0.1:1", noted["url"])}
    (folder / ELSEWHERE_FILE).write_text(json.dumps(gone))
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1"):
        require_whole(folder)
    require_whole(folder, server.address)
    require_continuable(folder, Plan(5), SPACE, server.address)
    assert search(folder, 1, server.address) is None and len(listed(folder)) == 4


@pytest.mark.parametrize("left", [None, b""])
def test_a_search_that_met_a_full_disk_before_its_first_trial_goes_on(tmp_path: Path, left: bytes | None) -> None:
    if left is not None:
        (tmp_path / STUDY_FILE).write_bytes(left)
    require_whole(tmp_path)
    require_continuable(tmp_path, Plan(5), SPACE)
    assert search(tmp_path, 1) is None and len(listed(tmp_path)) == 1


def test_a_search_that_was_killed_while_its_study_was_made_elsewhere_goes_on(tmp_path: Path, server: Server,
                                                                             password: None) -> None:
    require_reachable(tmp_path, server.address)
    require_continuable(tmp_path, Plan(5), SPACE, server.address)
    place_of(tmp_path, server.address).write(tmp_path)  # and killed here
    require_whole(tmp_path)
    require_continuable(tmp_path, Plan(5), SPACE)
    assert search(tmp_path, 1) is None and not (tmp_path / STUDY_FILE).exists() and len(listed(tmp_path)) == 1


def test_a_password_among_the_options_of_an_address_is_written_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "")
    url = url_of("postgres://user@host/name?password=secret&sslmode=require")  # as some providers write it
    assert "secret" not in url.render_as_string(hide_password=False) and "sslmode" in url.query
    assert os.environ["PGPASSWORD"] == "secret"


def test_a_copy_of_its_folder_has_a_study_of_its_own(tmp_path: Path, server: Server, password: None) -> None:
    on_postgresql(tmp_path / "first", server)
    before = listed(tmp_path / "first")
    copy = Path(shutil.copytree(tmp_path / "first", tmp_path / "copy"))
    assert search(copy, 1) == f"{copy} is a copy of {tmp_path / 'first'} and goes on as a search of its own"
    assert listed(tmp_path / "first") == before and listed(copy).items() > before.items() and len(listed(copy)) == 4
    assert read_study(copy).user_attrs[ORIGIN] == str(tmp_path / "first")
    assert search(copy, 0) is None and search(tmp_path / "first", 1) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a machine of another name")
def test_another_machine_goes_on_with_the_folder_itself_but_not_with_a_copy_at_its_path(
        tmp_path: Path, server: Server, password: None) -> None:
    folder, copy = tmp_path / "first", tmp_path / "copy"
    on_postgresql(folder, server)
    shutil.copytree(folder, copy)

    def there(first: str) -> str:
        """What is told by a machine of another name, once it has its disks."""
        ended = subprocess.run(
            ["unshare", "--uts", "--mount", "sh", "-c", f'hostname elsewhere; {first}; exec "$@"', "sh", sys.executable,
             "-c", "import sys; from pathlib import Path; from tests.tune.test_place import search; "
                   "print(search(Path(sys.argv[1]), 1))", str(folder)],
            text=True, capture_output=True, cwd=Path(__file__).resolve().parents[2])
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    assert there("true") == "None" and len(listed(folder)) == 4
    assert search(folder, 1) is None
    before = listed(folder)
    assert there(f"mount --bind {copy} {folder}") == (
        f"{folder} is a copy of {folder} on {socket.gethostname()} and goes on as a search of its own")
    assert listed(folder) == before and len(listed(copy)) == 6


def test_two_searches_of_one_name_share_a_database(tmp_path: Path, server: Server, password: None) -> None:
    (tmp_path / "other").mkdir()
    on_postgresql(tmp_path / "first", server)
    on_postgresql(tmp_path / "other" / "first", server)
    assert len(listed(tmp_path / "first")) == len(listed(tmp_path / "other" / "first")) == 3


def test_a_database_that_restarts_is_waited_for(tmp_path: Path, server: Server, password: None,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    on_postgresql(tmp_path / "first", server)
    study = read_study(tmp_path / "first")
    server.stop()
    script = f"sleep 8; {server.binaries}/pg_ctl -D {server.folder}/data -l {server.folder}/log -o " \
             f"'-p {server.port} -k {server.folder} -h 127.0.0.1' start"
    later = subprocess.Popen(["runuser", "-u", "nobody", "--", "sh", "-c", script] if os.geteuid() == 0 else
                             ["sh", "-c", script], stdout=subprocess.DEVNULL)
    study.tell(study.ask(SPACE), 0.7)
    later.wait()
    assert len(read_study(tmp_path / "first").get_trials()) == 4
    assert "does not answer, for" in capsys.readouterr().out


@pytest.mark.long
def test_a_whole_search_lives_in_a_database_that_restarts_on_the_way(tmp_path: Path, server: Server) -> None:
    """Whole commands, with a Ray of their own; the password comes in the address, and then from the environment."""
    folder, temporary = tmp_path / "night", tempfile.mkdtemp(prefix="ray-")

    def start(*options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *options], cwd=Path(__file__).resolve().parents[2], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=os.environ | {"RAY_TMPDIR": temporary, "PGPASSWORD": "secret"})

    begun = start("run_tune.py", "--preset", "demo", "--data.root", str(tmp_path / "people"), "--data.drawn-people",
                  "80", "--data.labeled-count", "24", "--epochs", "4", "--train.burn-in", "0", "--no-reference",
                  "--trials", "2", "--out", str(tmp_path), "--name", folder.name, "--storage", server.address)
    while not any(folder.glob("trials/*/progress.json")):
        assert begun.poll() is None, begun.communicate()
        time.sleep(0.5)
    server.stop()
    server.start()
    said, _ = begun.communicate(timeout=600)
    assert begun.returncode == causes()["the study's database restarts"].exit_code, said
    more = start("run_tune.py", "--resume", folder.name, "--out", str(tmp_path), "--trials", "3")
    said, _ = more.communicate(timeout=600)
    assert more.returncode == 0, said
    looked = start("-m", "tune.compare", str(folder))
    said, _ = looked.communicate(timeout=120)
    assert looked.returncode == 0 and "\n0002 " in said, said
    assert not (folder / STUDY_FILE).exists() and not (folder / JOURNAL_FILE).exists()
    assert not any(b"secret" in file.read_bytes() for file in folder.rglob("*") if file.is_file())
    shutil.rmtree(temporary, ignore_errors=True)


@pytest.mark.parametrize(("address", "sentence"), [
    ("postgresql://tests:wrong@127.0.0.1:{port}/postgres", r"cannot be reached \(.*; see that the database runs, and"),
    ("postgresql://tests@127.0.0.1:1/postgres", r"cannot be reached \(.*; see that the database runs"),
    ("postgresql+pg8000://tests@127.0.0.1:{port}/postgres", "needs a driver that is not installed"),
    ("sqlite:///study.db", "without it the study is a file in the search's folder"),
    ("postgresql://u@host:port/name", "--storage is the address of a database, such as postgresql://user@host/name"),
    ("nowhere", "--storage is the address of a database, such as postgresql://user@host/name"),
    ("redis://127.0.0.1/0", "--storage is the address of a database, such as postgresql://user@host/name")])
def test_a_database_that_cannot_be_reached_is_told_before_anything_starts(tmp_path: Path, server: Server,
                                                                          password: None, address: str, sentence: str
                                                                          ) -> None:
    with pytest.raises(InputError, match=sentence):
        require_reachable(tmp_path, address.format(port=server.port))
    assert list(tmp_path.iterdir()) == []


def test_a_journal_is_a_study_like_others(tmp_path: Path) -> None:
    on_a_journal(tmp_path / "first")
    moved = (tmp_path / "first").rename(tmp_path / "moved")
    assert search(moved, 1) is None and len(listed(moved)) == 4
    copy = Path(shutil.copytree(moved, tmp_path / "copy"))
    assert search(copy, 1) == f"{copy} is a copy of {moved} and goes on as a search of its own"
    assert len(listed(moved)) == 4 and len(listed(copy)) == 5
    assert not (copy / STUDY_FILE).exists()
    with pytest.raises(InputError, match=r"the study of this search is .*; leave out --storage"):
        place_of(copy, "postgresql://tests@127.0.0.1/postgres")


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_a_full_disk_has_cut_is_taken_away_by_who_writes_next(tmp_path: Path, cut: int) -> None:
    on_a_journal(tmp_path / "first")
    journal = tmp_path / "first" / JOURNAL_FILE
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole[:whole.index(b"\n") + 1][:-cut])
    looked = journal.read_bytes()
    assert len(listed(tmp_path / "first")) == 3 and journal.read_bytes() == looked
    assert search(tmp_path / "first", 2) is None and len(listed(tmp_path / "first")) == 5
    assert journal.read_bytes().startswith(whole)


@pytest.mark.parametrize("content", [b"\0\0", b"SQLite format 3\0", b"{", b'{"op_code": 0}\n'])
def test_a_damaged_journal_is_told_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    on_a_journal(tmp_path / "first")
    (tmp_path / "first" / JOURNAL_FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"study\.journal .*; restore it from a copy"):
        read_study(tmp_path / "first")


def test_a_journal_prunes_as_a_database_does(tmp_path: Path) -> None:
    found = []
    for kind in (STUDY_FILE, JOURNAL_FILE):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / kind).touch()
        study, pruned = open_study(folder, 1, 2), []
        for value in (0.5, 0.4, 0.3, 0.6):
            trial = study.ask()
            trial.report(value, 1)
            pruned.append(trial.should_prune())
            study.tell(trial, value)
        found.append(pruned)
    assert found[0] == found[1] and any(found[0]) and isinstance(place_of(tmp_path / JOURNAL_FILE), JournalFile)


def test_the_deepest_mount_says_which_file_system_it_is() -> None:
    mounted = [(Path("/"), "ext4"), (Path("/shared"), "nfs4"), (Path("/shared/scratch"), "xfs"),
               (Path("/sha"), "tmpfs")]
    assert [file_system_of(Path(folder), mounted) for folder in (
        "/home/a", "/shared/runs", "/shared/scratch/runs", "/shared")] == ["ext4", "nfs4", "xfs", "nfs4"]
    assert file_system_of(Path("/shared/runs"), [*mounted, (Path("/shared"), "ext4")]) == "ext4"
    assert [kind for kind in ("ext4", "nfs", "nfs4", "overlay", "fuse.sshfs", "tmpfs", "lustre", "cifs", "fuseblk")
            if is_of_network(kind)] == ["nfs", "nfs4", "fuse.sshfs", "lustre", "cifs"]


def test_a_folder_of_this_machine_takes_sqlite(tmp_path: Path) -> None:
    mounted = [(Path(each.mountpoint), each.fstype) for each in psutil.disk_partitions(all=True)]
    assert file_system_of(Path("/dev/shm"), mounted) == "tmpfs"
    assert isinstance(place_of(tmp_path), SqliteFile)


def test_what_the_folder_says_of_another_place_must_be_whole(tmp_path: Path) -> None:
    for content in (b"", b"{}", b'{"url": 3, "study": "a"}', b"\xff"):
        (tmp_path / ELSEWHERE_FILE).write_bytes(content)
        with pytest.raises(InputError, match=r"study\.json does not say where the study of the search is .*; restore"):
            place_of(tmp_path)
    (tmp_path / ELSEWHERE_FILE).write_text('{"url": "postgresql+psycopg://a@b/c", "study": "d"}')
    place = place_of(tmp_path)
    assert isinstance(place, Elsewhere) and place.name == "d"
    assert str(place) == "study d of postgresql+psycopg://a@b/c"


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
