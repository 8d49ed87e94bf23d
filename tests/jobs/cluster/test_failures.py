"""Which failures end a run, judged as Ray Train's controller asks."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest
from ray.data.exceptions import SystemException
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

from jobs.cluster.failures import Blame, Failures, OfMachine, blame, cause_of, find_mistake, would_recur
from jobs.run_folder.layout import read_events
from jobs.run_folder.lease import Lost
from trs.errors import Diverged, InputError, Interrupted, Unexpected, Unwritable


def fail(failures: Failures, error: Exception) -> None:
    failures.after_exception(None, {1: error})


def checkpoint(folder: Path, step: int) -> None:
    (folder / f"checkpoint_{step:08d}").mkdir()
    (folder / f"checkpoint_{step:08d}" / "state.json").touch()


def test_a_mistake_of_the_users_ends_the_run_at_once(tmp_path: Path) -> None:
    failures = Failures(tmp_path, max_failures=3)
    with pytest.raises(InputError, match="too many bad images"):
        failures.after_exception(None, {0: RuntimeError("gloo"), 1: InputError("too many bad images")})
    assert (tmp_path / "mistake.txt").read_text() == "too many bad images"


def test_who_has_lost_the_folder_writes_nothing_into_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is held by another"):
        fail(Failures(tmp_path, max_failures=3), Lost("the folder is held by another"))
    assert not list(tmp_path.iterdir())


def test_failures_count_only_in_a_row_without_a_newer_checkpoint(tmp_path: Path) -> None:
    failures = Failures(tmp_path, max_failures=2)
    for step in (5, 10, 15, 20):
        checkpoint(tmp_path, step)
        fail(failures, RuntimeError("a node is gone\nwith a traceback"))
        fail(failures, RuntimeError("a node is gone"))
    with pytest.raises(InputError, match="failed 3 times in a row from the same checkpoint"):
        fail(failures, RuntimeError("a node is gone"))
    *lines, last = read_events(tmp_path)
    assert lines == ["the workers failed: RuntimeError: a node is gone"] * 9 and "failed 3 times in a row" in last
    assert not (tmp_path / "mistake.txt").exists(), "it may end well another time"


def test_what_was_announced_counts_never(tmp_path: Path) -> None:
    failures = Failures(tmp_path, max_failures=0)
    preempted = RayActorError(preempted=True)
    for error in (Interrupted(3, stop=False), preempted, WorkerHealthCheckFailedError("gone", preempted)):
        fail(failures, error)
    with pytest.raises(InputError, match="failed 1 times"):
        fail(failures, WorkerHealthCheckFailedError("gone", RayActorError()))


def test_a_failure_is_blamed_on_settings_machine_or_storage_wherever_ray_has_wrapped_it() -> None:
    full, diverged = OSError(errno.ENOSPC, "No space left on device", "/shared/a"), Diverged("not finite")
    for error, blamed in ((full, Blame.STORAGE), (diverged, Blame.SETTINGS), (RuntimeError("gloo"), Blame.MACHINE),
                          (OfMachine("failed 4 times"), Blame.MACHINE), (Unexpected("KeyError"), Blame.SETTINGS)):
        assert blame(error) is blame(ControllerError(error)) is blamed
        assert blame(WorkerGroupError("failed", {0: RuntimeError(), 1: error})) is blamed
        again = OfMachine("in a sentence") if blamed is not Blame.SETTINGS else InputError("in a sentence")
        again.__cause__ = ControllerError(error)
        assert blame(again) is blamed, "as a training raises it"
    assert blame(ControllerError(OutOfMemoryError("killed by Ray's memory monitor"))) is Blame.MACHINE


@pytest.mark.parametrize("error", [
    Unwritable("the checkpoint cannot be written; make room"),
    OSError(errno.ENOSPC, "No space left on device", "/shared/a")], ids=["of a checkpoint", "of the system"])
def test_what_a_full_storage_ends_is_blamed_on_it_still(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(Unwritable, match="make room") as ended:
        Failures(tmp_path, max_failures=3).after_exception(None, {0: RuntimeError("gloo"), 1: error})
    assert blame(ControllerError(ended.value)) is Blame.STORAGE and not (tmp_path / "mistake.txt").exists()


def test_a_mistake_is_found_wherever_ray_has_wrapped_it() -> None:
    mistake = InputError("no image can be read")
    assert find_mistake(ControllerError(mistake)) == "no image can be read"
    assert find_mistake(WorkerGroupError("failed", {0: RuntimeError(), 1: mistake})) == "no image can be read"
    full = OSError(errno.ENOSPC, "No space left on device", "/shared/a")
    assert find_mistake(ControllerError(full)) == (
        "/shared/a cannot be written: No space left on device; make room and resume")
    assert find_mistake(OSError(errno.ECONNRESET, "reset")) is None and find_mistake(RuntimeError()) is None


def test_of_a_dead_worker_and_those_that_fail_by_its_silence_the_dead_one_is_the_cause() -> None:
    death = RayActorError(error_msg="The actor died\nThe actor is dead because its node has died: spot.\nMore")
    assert cause_of([RuntimeError("gloo: connection reset\nby peer"), WorkerHealthCheckFailedError("no", death)]) == (
        "The actor is dead because its node has died: spot.")
    assert cause_of([RuntimeError("out of memory\ntraceback")]) == "RuntimeError: out of memory"


def test_what_the_memory_monitor_ends_is_told_with_what_needs_less() -> None:
    killed = OutOfMemoryError("7 worker(s) were killed due to the node running low on memory.\nMemory ...\nRefer to")
    for error in (killed, ControllerError(killed), WorkerGroupError("failed", {0: RuntimeError("gloo"), 1: killed}),
                  WorkerGroupError("failed", {0: WorkerHealthCheckFailedError("no answer", killed)})):
        assert cause_of([error]).startswith("the machine ran low on memory") and "need less" in cause_of([error])


TRACEBACK = "\x1b[36mray::ReadBatchSource()\x1b[39m (pid=21644, ip=192.0.2.2)\n  File \"reader.py\", line 1, in read\n"


def of_a_task(error: Exception) -> Exception:
    """As Ray raises what a reading task has raised, and Ray Data passes it on."""
    wrapped = RayTaskError("ReadBatchSource", f"{TRACEBACK}{type(error).__name__}: {error}", error,
                           proctitle="ray::ReadBatchSource()", pid=21644, ip="192.0.2.2").as_instanceof_cause()
    try:
        raise wrapped from SystemException()
    except RayTaskError as raised:
        return raised


@pytest.mark.parametrize(("error", "said"), [
    (InputError("100 images in a row cannot be read, the last because a.jpg: No such file or directory"), ""),
    (Diverged("network a has diverged"), ""),
    (Unexpected.at("while reading a.jpg", ValueError("embedded null byte")), " (see failures.txt)")], ids=str)
def test_what_a_reading_task_found_is_told_once_in_its_own_words(tmp_path: Path, error: Exception, said: str) -> None:
    for raised in (of_a_task(error), of_a_task(of_a_task(error)), RayTaskError("read", TRACEBACK, error)):
        assert find_mistake(raised) == find_mistake(WorkerGroupError("failed", {0: raised})) == str(error)
        with pytest.raises(InputError) as ended:
            Failures(tmp_path, max_failures=3).after_exception(None, {0: RuntimeError("gloo"), 1: raised})
        assert str(ended.value) == (tmp_path / "mistake.txt").read_text() == f"{error}{said}"
        assert read_events(tmp_path) == []  # no restart


def test_an_error_of_the_codes_own_is_told_from_the_loss_of_a_machine() -> None:
    assert would_recur(of_a_task(KeyError("x"))) and would_recur(TypeError("x"))
    assert would_recur(of_a_task(ValueError()))
    lost = [RuntimeError("gloo: connection reset"), RayActorError(), of_a_task(RayError("the object is lost")),
            OSError(errno.EIO, "no answer"), MemoryError(), SystemError(), of_a_task(MemoryError())]
    assert [would_recur(error) for error in lost] == [False] * len(lost)
    inside = KeyError("an operator that has gone with its node")
    inside.__cause__ = SystemException()
    assert not would_recur(inside)


def test_the_line_of_a_failure_has_no_color_and_names_the_cause(tmp_path: Path) -> None:
    lost = of_a_task(MemoryError("no room for \x1b[31ma.jpg"))
    assert cause_of([lost]) == "MemoryError: no room for a.jpg"
    assert cause_of([of_a_task(Unexpected.at("while reading a.jpg", KeyError("x")))]) == \
        "unexpected KeyError while reading a.jpg: 'x'"
    fail(Failures(tmp_path, max_failures=1), lost)
    assert read_events(tmp_path) == ["the workers failed: MemoryError: no room for a.jpg"]


def noted(error: Exception, note: str) -> Exception:
    """As a worker's error comes to Ray's controller."""
    error.add_note(note)
    return pickle.loads(pickle.dumps(error))


def test_the_same_failure_after_the_same_step_is_met_twice_at_most(tmp_path: Path) -> None:
    shapes = "mat1 and mat2 shapes cannot be multiplied"
    failures = Failures(tmp_path, max_failures=3)
    fail(failures, noted(RuntimeError(shapes), "after step 7"))
    fail(failures, noted(RuntimeError(shapes), "after step 8"))
    fail(failures, WorkerHealthCheckFailedError("gone", RayActorError()))
    failures = Failures(tmp_path, max_failures=3)
    fail(failures, noted(RuntimeError(shapes), "after step 7"))
    with pytest.raises(InputError, match=rf"failed twice alike after step 7, by RuntimeError: {shapes} \(see"):
        fail(failures, noted(RuntimeError(shapes), "after step 7"))


def test_an_error_of_a_workers_own_code_is_not_met_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^unexpected KeyError in a worker: 'x' \(see failures.txt\)$"):
        Failures(tmp_path, 3).after_exception(None, {0: RuntimeError("gloo: connection reset"), 1: KeyError("x")})
    fail(Failures(tmp_path, 3), RuntimeError("gloo: connection reset"))
    death = WorkerHealthCheckFailedError("gone", RayActorError())
    Failures(tmp_path, 3).after_exception(None, {0: KeyError("x"), 1: death})  # it fell over the other's silence
