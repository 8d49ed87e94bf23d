"""The study's bridges to Ray Tune, driven as Ray Tune drives them, without Ray."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from jobs.cluster.failures import Blame
from jobs.config import Job
from jobs.run_folder.layout import METRICS_FILE, STOP_FILE
from jobs.training.many import Failure
from trs.config import change
from trs.presets import demo
from tune.burn_in import BurnIn, burn_in
from tune.plan import SUPERVISED, TRIALS, Plan, Search
from tune.space import parse_space, suggest
from tune.storage import open_study
from tune.study import BASELINE, CAUSE, OWN, QUEUED, REFERENCE_CAUSE, StudySearcher, trials_left

LOST = Failure("ray: a node was lost", Blame.MACHINE)
FULL = Failure("study.db cannot be written: no space left", Blame.STORAGE)
DIVERGED = Failure("the gradients are not finite", Blame.SETTINGS)
SPACE = parse_space(["method.unsup_weight=0.1..10:log", "method.mix_count=0..9"])


def searcher_of(study: optuna.Study, folder: Path, reference: bool = False, seed: int = 0, epochs: int = 100
                ) -> StudySearcher:
    config = dataclasses.replace(demo(), train=dataclasses.replace(demo().train, seed=seed, epochs=epochs,
                                                                         burn_in=0))
    return StudySearcher(study, Search(folder, Job(config), Plan(trials=50, reference=reference), SPACE))


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    study = open_study(tmp_path, grace_epochs=1, reduction_factor=2)
    study.enqueue_trial({"method.unsup_weight": 0.5, "method.mix_count": 5}, user_attrs={BASELINE: True})
    return study


def test_the_defaults_are_the_first_trial_and_the_reference_is_none(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path, reference=True)
    assert searcher.suggest("r") == {"name": SUPERVISED, "values": {}}
    assert searcher.suggest("a") == {"name": "0000", "values": {"method.unsup_weight": 0.5, "method.mix_count": 5}}
    assert searcher.suggest("b")["name"] == "0001"
    assert not searcher.should_prune("r", 1, 0.0)
    searcher.on_trial_complete("r", {})
    assert len(study.trials) == 2


def test_a_pruned_trial_is_recorded_as_pruned_and_a_failed_one_as_failed(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    for name in "abcd":
        searcher.suggest(name)
    assert not searcher.should_prune("a", 1, 0.1)  # the defaults are never stopped
    assert not searcher.should_prune("b", 1, 0.5)
    assert searcher.should_prune("c", 1, 0.2)
    assert not searcher.should_prune("a", 2, 0.15)
    for name in "abc":
        searcher.on_trial_complete(name, {})
    searcher.hear("d", DIVERGED)
    searcher.on_trial_complete("d", error=True)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED,
                                                       TrialState.FAIL]
    assert study.trials[0].value == 0.15 and study.best_trial.number == 1
    assert study.trials[2].intermediate_values == {1: 0.2}


def test_a_trial_that_never_reported_or_reported_nan_does_not_count(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    for name in "ab":
        searcher.suggest(name)
    searcher.on_trial_complete("a", None)
    assert searcher.should_prune("b", 1, float("nan"))
    searcher.on_trial_complete("b", {})
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.FAIL]


def test_a_trial_that_somebody_else_has_ended_is_left_to_them(study: optuna.Study, tmp_path: Path,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    searcher = searcher_of(study, tmp_path)
    for name in "ab":
        searcher.suggest(name)
    study.tell(0, state=TrialState.FAIL)
    study.tell(1, 0.3)
    assert searcher.should_prune("a", 1, 0.5)
    for name in "ab":
        searcher.on_trial_complete(name, {})
    assert "[0000] was ended in the study by somebody else" in capsys.readouterr().out
    assert [(trial.state, trial.value) for trial in study.trials] == [(TrialState.FAIL, None),
                                                                     (TrialState.COMPLETE, 0.3)]


def test_a_trial_that_diverges_after_a_good_epoch_has_failed(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    searcher.suggest("a")
    assert not searcher.should_prune("a", 1, 0.9)
    assert searcher.should_prune("a", 2, float("nan"))
    searcher.on_trial_complete("a", {})
    assert study.trials[0].state == TrialState.FAIL and study.trials[0].intermediate_values == {1: 0.9}


def test_the_defaults_run_to_their_end_beside_better_ones(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    for name in "abcde":
        searcher.suggest(name)
    for name, score in (("b", 0.5), ("c", 0.6), ("d", 0.7)):
        searcher.should_prune(name, 1, score)
    assert searcher.should_prune("e", 1, 0.1)
    assert not searcher.should_prune("a", 1, 0.1)
    searcher.on_trial_complete("a", {})
    assert study.trials[0].state == TrialState.COMPLETE


def test_the_searchs_own_second_trial_runs_to_its_end_whoever_comes_first(study: optuna.Study, tmp_path: Path) -> None:
    study.enqueue_trial({"method.unsup_weight": 0.5, "method.mix_count": 0}, user_attrs={OWN: True})
    searcher = searcher_of(study, tmp_path)
    for name in "abcd":
        searcher.suggest(name)
    assert not searcher.should_prune("a", 1, 0.5)
    assert not searcher.should_prune("b", 1, 0.4)
    assert searcher.should_prune("c", 1, 0.3)


def test_what_a_stopping_search_breaks_off_waits_for_its_resume(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    for name in "abc":
        searcher.suggest(name)
    for name, score in (("a", 0.3), ("b", 0.4), ("c", 0.1)):
        searcher.should_prune(name, 1, score)
    (tmp_path / STOP_FILE).touch()
    assert searcher.suggest("d") == "FINISHED"
    searcher.on_trial_complete("a", {})
    searcher.on_trial_complete("b", error=True)
    searcher.on_trial_complete("c", {})
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.RUNNING, TrialState.RUNNING, TrialState.PRUNED]
    assert trials_left(study, 3) == 2
    (tmp_path / STOP_FILE).unlink()
    again = searcher_of(study, tmp_path)
    assert [again.suggest(name)["name"] for name in "ab"] == ["0000", "0001"]


def test_a_resumed_search_goes_on_with_what_was_running(study: optuna.Study, tmp_path: Path) -> None:
    before = searcher_of(study, tmp_path)
    suggested = {name: before.suggest(name) for name in "abc"}
    before.should_prune("a", 1, 0.3)
    before.on_trial_complete("a", {})
    before.should_prune("b", 1, 0.4)
    # the driver is gone here; a new one opens the same study
    again = open_study(tmp_path, grace_epochs=1, reduction_factor=2)
    assert trials_left(again, wanted=5) == 4
    searcher = searcher_of(again, tmp_path)
    assert [searcher.suggest(name) for name in "xy"] == [suggested["b"], suggested["c"]]
    new = searcher.suggest("z")
    assert new["name"] == "0003"
    assert new["values"] not in [suggestion["values"] for suggestion in suggested.values()]
    searcher.should_prune("x", 2, 0.45)
    searcher.on_trial_complete("x", {})
    trial = again.trials[1]
    assert trial.state == TrialState.COMPLETE and trial.intermediate_values == {1: 0.4, 2: 0.45}
    assert trials_left(again, wanted=5) == 3


def test_successive_halving_remembers_its_rungs_over_a_restart(study: optuna.Study, tmp_path: Path) -> None:
    before = searcher_of(study, tmp_path)
    for name in "ab":
        before.suggest(name)
        before.should_prune(name, 1, 0.5)
    again = searcher_of(open_study(tmp_path, 1, 2), tmp_path)
    for name in "abc":
        again.suggest(name)
    assert again.should_prune("c", 1, 0.4)


def test_what_failed_from_the_machine_is_tried_again_and_then_waits_for_a_resume(study: optuna.Study, tmp_path: Path
                                                                                ) -> None:
    searcher = searcher_of(study, tmp_path)
    for name in "abc":
        assert searcher.suggest(name)["name"] == "0000"
        searcher.hear(name, LOST)
        searcher.on_trial_complete(name, error=True)
    assert searcher.suggest("d")["name"] == "0001", "three tries are enough for one night"
    (first, _) = study.trials
    assert first.state is TrialState.RUNNING and first.user_attrs[CAUSE] == LOST.why
    assert searcher_of(study, tmp_path).suggest("a")["name"] == "0000"
    assert study.trials[0].user_attrs[CAUSE] is None, "it does not wait any more"
    assert trials_left(study, 2) == 2


def test_a_driver_that_was_lost_without_a_word_is_tried_again(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    first = searcher.suggest("a")
    searcher.on_trial_complete("a", error=True)
    assert searcher.suggest("b") == first


def test_a_full_disk_ends_the_search_and_fails_nobody(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    for name in "ab":
        searcher.suggest(name)
    searcher.hear("a", FULL)
    searcher.on_trial_complete("a", error=True)
    assert searcher.suggest("c") == "FINISHED" and searcher.gives_up == FULL.why
    searcher.should_prune("b", 100, 0.5)
    searcher.on_trial_complete("b", {})
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING, TrialState.COMPLETE]


def test_what_its_settings_are_to_blame_for_stays_failed_and_says_why(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    searcher.suggest("a")
    searcher.hear("a", DIVERGED)
    searcher.on_trial_complete("a", error=True)
    (first,) = study.trials
    assert first.state is TrialState.FAIL and first.user_attrs[CAUSE] == DIVERGED.why
    assert searcher.suggest("b")["name"] == "0001"


def test_a_run_that_reached_its_last_epoch_is_complete_whatever_came_after(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path, epochs=2)
    searcher.suggest("a")
    run = searcher.search.run_folder("0000")
    run.mkdir(parents=True)
    (run / METRICS_FILE).write_text("".join(json.dumps({"epoch": epoch, "step": epoch, "ap": 0.2 * epoch}) + "\n"
                                            for epoch in (1, 2)))
    searcher.hear("a", LOST)
    searcher.on_trial_complete("a", error=True)
    (first,) = study.trials
    assert first.state is TrialState.COMPLETE and first.value == pytest.approx(0.4)


def test_a_reference_that_was_lost_is_tried_again(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path, reference=True)
    for name in "ab":
        assert searcher.suggest(name)["name"] == "supervised"
        searcher.on_trial_complete(name, error=True)
    assert study.user_attrs[REFERENCE_CAUSE] == "its driver was lost"
    searcher.suggest("c")
    searcher.hear("c", DIVERGED)
    searcher.on_trial_complete("c", error=True)
    assert searcher.suggest("d")["name"] == "0000" and study.user_attrs[REFERENCE_CAUSE] is None


def test_a_trial_that_has_run_its_last_epoch_is_complete(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path, epochs=2)
    for name in "abc":
        searcher.suggest(name)
    assert not any(searcher.should_prune(name, 2, score) for name, score in (("a", 0.5), ("b", 0.6), ("c", 0.1)))


def test_a_restart_does_not_change_what_is_tried(study: optuna.Study, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    unbroken = searcher_of(open_study(other, 1, 2), other, seed=4)
    expected = [unbroken.suggest(str(number))["values"] for number in range(4)]
    (tmp_path / "broken").mkdir()
    found = []
    for number in range(4):
        searcher = searcher_of(open_study(tmp_path / "broken", 1, 2), tmp_path / "broken", seed=4)
        searcher.waiting.clear()  # as if they had ended
        found.append(searcher.suggest(str(number))["values"])
    assert found == expected
    assert len({str(values) for values in found}) == 4


def test_an_epoch_that_the_killed_search_never_heard_of_counts(study: optuna.Study, tmp_path: Path) -> None:
    """Killed between a run's last epoch and its report: the resumed run has no step left, and reports nothing."""
    before = searcher_of(study, tmp_path)
    before.suggest("a")
    before.should_prune("a", 1, 0.2)
    (tmp_path / TRIALS / "0000").mkdir(parents=True)
    (tmp_path / TRIALS / "0000" / METRICS_FILE).write_text(
        '{"step": 5, "epoch": 1, "ap": 0.2}\n{"step": 10, "epoch": 2, "ap": 0.3}\n')
    searcher = searcher_of(open_study(tmp_path, 1, 2), tmp_path)
    searcher.suggest("x")
    searcher.on_trial_complete("x", {})
    trial = study.trials[0]
    assert trial.state == TrialState.COMPLETE and trial.value == 0.3 and trial.intermediate_values == {1: 0.2, 2: 0.3}


@pytest.mark.parametrize("asked", [0, 1])
def test_a_trial_that_was_killed_while_it_was_asked_for_gets_the_settings_it_lacks(study: optuna.Study, tmp_path: Path,
                                                                                   asked: int) -> None:
    """Between `ask` and the last setting, each of which is a write of its own."""
    trial = study.ask()
    for name in list(SPACE)[:asked]:
        suggest(trial, name, SPACE[name])
    handed = searcher_of(open_study(tmp_path, 1, 2), tmp_path).suggest("a")
    assert handed == {"name": "0000", "values": {"method.unsup_weight": 0.5, "method.mix_count": 5}}
    new = study.ask()  # one that nobody has enqueued
    handed = searcher_of(open_study(tmp_path, 1, 2), tmp_path)
    assert [handed.suggest(name)["values"].keys() == SPACE.keys() for name in "ab"] == [True, True]
    assert study.trials[new.number].params.keys() == SPACE.keys()


def test_a_failed_trial_has_no_score_and_prunes_nobody(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    for name in "abcdef":
        searcher.suggest(name)
    for name, score in (("b", 0.9), ("c", 0.8), ("d", 0.7)):
        searcher.should_prune(name, 1, score)
    assert searcher.should_prune("e", 1, 0.1), "while they run, they count"
    for number, name in enumerate("bcd", 1):
        (tmp_path / TRIALS / f"{number:04d}").mkdir(parents=True)
        (tmp_path / TRIALS / f"{number:04d}" / METRICS_FILE).write_text(
            '{"step": 5, "epoch": 1, "ap": 0.9}\n{"step": 10, "epoch": 2, "ap": 1.0}\n')
        searcher.hear(name, DIVERGED)
        searcher.on_trial_complete(name, error=True)
    failed = study.trials[1:4]
    assert [trial.state for trial in failed] == [TrialState.FAIL] * 3 and failed[0].intermediate_values == {1: 0.9}
    assert not searcher.should_prune("f", 1, 0.15), "what diverged is no rival any more"
    searcher.on_trial_complete("f", {})
    assert study.best_trial.number == 5


def test_an_evaluation_without_a_score_is_a_failure(study: optuna.Study, tmp_path: Path) -> None:
    searcher = searcher_of(study, tmp_path)
    searcher.suggest("a")
    assert searcher.should_prune("a", 1, None)
    searcher.on_trial_complete("a", {})
    assert study.trials[0].state == TrialState.FAIL


def test_what_somebody_queues_while_the_search_runs_comes_next_and_on_top(study: optuna.Study, tmp_path: Path) -> None:
    """As optuna-dashboard and everybody who has Optuna does it; what is left out is sampled."""
    search = Search(tmp_path, Job(change(demo(), {"train.burn_in": 0})), Plan(2, reference=False), SPACE)
    searcher = StudySearcher(study, search)
    assert searcher.suggest("a")["name"] == "0000"
    elsewhere = open_study(tmp_path, 1, 2)
    elsewhere.enqueue_trial({"method.mix_count": 7})
    queued = searcher.suggest("b")
    assert queued["name"] == "0001" and queued["values"]["method.mix_count"] == 7
    assert queued["values"].keys() == SPACE.keys() and study.trials[1].user_attrs == {QUEUED: True}
    assert searcher.suggest("c")["name"] == "0002", "the second of its own"
    assert searcher.suggest("d") is None
    elsewhere.enqueue_trial({"method.mix_count": 8})
    assert searcher.suggest("d")["values"]["method.mix_count"] == 8
    for name in "abcd":
        assert searcher.suggest("e") is None
        searcher.should_prune(name, 1, 0.5)
        searcher.on_trial_complete(name, {})
    assert searcher.suggest("e") == "FINISHED" and trials_left(study, 2) == 0
    elsewhere.enqueue_trial({"method.mix_count": 9})
    assert trials_left(study, 2) == 1 and trials_left(study, 3) == 2


@pytest.mark.parametrize("values", [{"method.mix_count": 10}, {"method.mix_count": "many"}, {"nothing": 1},
                                    {"method.unsup_weight": float("nan")}, {"method.mix_count": None}])
def test_what_was_queued_with_what_it_cannot_have_fails_and_ends_nothing(
        study: optuna.Study, tmp_path: Path, values: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    study.enqueue_trial(values)
    study.enqueue_trial({"method.mix_count": 2})
    searcher = StudySearcher(study, Search(tmp_path, Job(change(demo(), {"train.burn_in": 0})),
                                           Plan(1, reference=False), SPACE))
    assert [searcher.suggest(name)["name"] for name in "ab"] == ["0000", "0002"]
    failed = study.trials[1]
    assert failed.state is TrialState.FAIL and failed.user_attrs[CAUSE].startswith("it was queued with a setting that")
    assert capsys.readouterr().out == f"[0001] FAILED: {failed.user_attrs[CAUSE]}\n"
    assert searcher.suggest("c") is None and trials_left(study, 1) == 2 and len(study.trials) == 3


def test_a_search_that_was_broken_off_goes_on_with_what_was_queued(study: optuna.Study, tmp_path: Path) -> None:
    study.enqueue_trial({"method.mix_count": 2})
    for _ in range(2):  # the second time it was running
        search = Search(tmp_path, Job(change(demo(), {"train.burn_in": 0})), Plan(1, reference=False), SPACE)
        assert trials_left(study, 1) == 2
        searcher = StudySearcher(study, search)
        assert [searcher.suggest(name)["name"] for name in "ab"] == ["0000", "0001"]
        assert searcher.suggest("c") is None and len(study.trials) == 2


def with_burn_in(study: optuna.Study, folder: Path, trials: int, *space: str) -> StudySearcher:
    config = change(demo(), {"train.burn_in": 20})
    search = Search(folder, Job(config), Plan(trials, reference=False), parse_space(space))
    return StudySearcher(study, search, room=lambda: 2)


def finish(burn_in: BurnIn | None) -> None:
    """Leave behind what a burn-in's training leaves."""
    assert burn_in is not None
    burn_in.state.mkdir(parents=True)


def test_trials_that_agree_wait_for_one_burn_in(tmp_path: Path) -> None:
    searcher = with_burn_in(open_study(tmp_path, 1, 2), tmp_path, 4, "method.unsup_weight=0.1..10:log")
    first = searcher.suggest("a")
    assert first["name"] == "0000" and first["burns_in"]
    assert [searcher.suggest("b") for _ in range(9)] == [None] * 9
    assert len(searcher.study.trials) == 2  # more would be asked for before anything is known
    finish(burn_in(searcher.search, first["name"], first["values"]))
    searcher.on_trial_complete("a", {})
    handed = [searcher.suggest(name) for name in "cdef"]
    assert [one["name"] for one in handed] == ["0000", "0001", "0002", "0003"]
    assert not any("burns_in" in one for one in handed) and searcher.suggest("g") is None  # somebody may queue more
    assert len({burn_in(searcher.search, one["name"], one["values"]).folder for one in handed}) == 1


def test_another_learning_rate_burns_in_for_itself(tmp_path: Path) -> None:
    searcher = with_burn_in(open_study(tmp_path, 1, 2), tmp_path, 2, "train.learning_rate=0.001,0.002")
    searcher.study.enqueue_trial({"train.learning_rate": 0.001})
    searcher.study.enqueue_trial({"train.learning_rate": 0.002})
    handed = [searcher.suggest(name) for name in "ab"]
    assert [one["burns_in"] for one in handed] == [True, True] and searcher.suggest("c") is None
    folders = {burn_in(searcher.search, one["name"], one["values"]).folder for one in handed}
    assert len(folders) == 2


def test_a_burn_in_that_failed_is_not_tried_for_each_trial_anew(tmp_path: Path) -> None:
    searcher = with_burn_in(open_study(tmp_path, 1, 2), tmp_path, 2, "method.unsup_weight=0.1..10:log")
    assert searcher.suggest("a")["burns_in"]
    searcher.hear("a", DIVERGED)
    searcher.on_trial_complete("a", error=True)
    assert [searcher.suggest(name)["name"] for name in "bc"] == ["0000", "0001"]  # and say so themselves


def test_a_burn_in_that_the_machine_breaks_off_ends_the_search_and_fails_nobody(tmp_path: Path) -> None:
    searcher = with_burn_in(open_study(tmp_path, 1, 2), tmp_path, 2, "method.unsup_weight=0.1..10:log")
    for name in "abc":
        assert searcher.suggest(name)["burns_in"]
        searcher.hear(name, LOST)
        searcher.on_trial_complete(name, error=True)
    assert searcher.suggest("d") == "FINISHED" and searcher.gives_up == LOST.why
    assert [trial.state for trial in searcher.study.trials] == [TrialState.RUNNING]
    again = with_burn_in(searcher.study, tmp_path, 2, "method.unsup_weight=0.1..10:log")
    assert again.suggest("a")["burns_in"]
    again.hear("a", FULL)
    again.on_trial_complete("a", error=True)
    assert again.suggest("b") == "FINISHED" and again.gives_up == FULL.why, "a full disk is not tried again"


def test_a_resumed_search_hands_out_those_that_waited(tmp_path: Path) -> None:
    study = open_study(tmp_path, 1, 2)
    before = with_burn_in(study, tmp_path, 3, "method.unsup_weight=0.1..10:log")
    before.suggest("a")
    assert before.suggest("b") is None
    asked = [dict(trial.params) for trial in study.trials]
    assert len(asked) == 2
    after = with_burn_in(study, tmp_path, 3, "method.unsup_weight=0.1..10:log")
    first = after.suggest("a")
    assert first["burns_in"] and after.suggest("b") is None
    finish(burn_in(after.search, first["name"], first["values"]))
    after.on_trial_complete("a", {})
    assert [after.suggest(name)["values"] for name in "cd"] == asked and len(study.trials) == 2
