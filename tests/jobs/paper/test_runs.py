"""Runs of a table: which is which, and what is done."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from jobs import config as jobs_config
from jobs import table
from jobs.config import ClusterConfig, Job
from jobs.paper.runs import RESULTS_FILE, Run, RunsFolder, with_starts
from tests.jobs.paper.done import mark_done
from trs.config import Config, SupervisedConfig, TRSConfig, change
from trs.config.before import as_0_1_trained
from trs.errors import InputError

OLD_TABLE = Path(__file__).parent / "table_of_0.1"
"""The configs of a row of our own study as version 0.1 wrote them: TRS from a warm start, and what it starts from."""
OLD_ROW = ["lspet", "--data.root", "/data/lspet", "--only", "TRS, alpha 0.99"]


@pytest.fixture
def old_table(tmp_path: Path) -> Path:
    """The row's folders as if they had been trained."""
    folder = tmp_path / "tables"
    shutil.copytree(OLD_TABLE, folder)
    for run in folder.iterdir():
        mark_done(run, epochs=9 if run.name.startswith("trs") else 15, ap=0.5, pck=0.6)
    return folder


def old_runs() -> list[Run]:
    """What the command trains for the row where 0.1 began it, starts first."""
    return with_starts([table.parse(OLD_ROW)[1].cells[0].run.changed(as_0_1_trained)])


def test_a_name_tells_the_method_and_depends_on_what_is_trained_alone(config: Config) -> None:
    run = Run(config)
    assert run.name.startswith("trs-") and run.name.endswith(f"-seed{config.train.seed}")
    assert Run(dataclasses.replace(config)).name == run.name
    assert Run(config, (run,)).name != run.name
    assert Run(change(config, {"train.batch_size": 99})).name != run.name
    assert Run(change(config, {"data.exif": "stored"})).name != run.name  # a field that 0.1 did not have
    assert Run(dataclasses.replace(config, method=SupervisedConfig())).name.startswith("supervised-")


def test_runs_have_the_names_that_version_0_1_gave_them() -> None:
    assert sorted(run.name for run in old_runs()) == sorted(path.name for path in OLD_TABLE.iterdir())


def test_a_table_of_version_0_1_is_done(old_table: Path) -> None:
    folder = RunsFolder(old_table)
    for run in old_runs():
        assert folder.result(run) is not None, run.name
    # They were trained on other storage, from which the folder has been moved.
    assert folder.config(old_runs()[-1]).train.init_from[0].startswith(str(old_table))


def test_a_table_that_0_1_began_goes_on_as_it_began(old_table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = table.parse(OLD_ROW)[1]
    kept = table.continued(whole, RunsFolder(old_table))
    assert "begun by version 0.1" in capsys.readouterr().out
    assert with_starts([kept.cells[0].run]) == old_runs() != with_starts([whole.cells[0].run])
    assert table.continued(kept, RunsFolder(old_table)) == kept
    assert table.continued(whole, RunsFolder(old_table / "elsewhere")) == whole
    mark_done(old_table / whole.cells[0].run.name, epochs=9, ap=0.5)
    assert table.continued(whole, RunsFolder(old_table)) == whole  # its rows were trained anew
    assert not capsys.readouterr().out


def test_what_0_1_had_no_words_for_has_another_name() -> None:
    old, new = old_runs(), with_starts([table.parse(OLD_ROW)[1].cells[0].run])
    assert not {run.name for run in old} & {run.name for run in new}
    assert {run.config.eval.decoder for run in old} == {"axes"} and {run.config.eval.decoder for run in new} == {"dark"}


def test_a_run_is_found_although_a_field_was_added_since(old_table: Path) -> None:
    """Files without a field are those of a time before it was there; a name was then made of the others alone."""
    names = {path.name: f"{path.name[:-9]}of-old{number}" for number, path in enumerate(sorted(old_table.iterdir()))}
    for path in list(old_table.iterdir()):
        text = (path / "config.yaml").read_text()
        for old, new in names.items():
            text = text.replace(old, new)
        kept = [line for line in text.splitlines() if "max_skipped_steps" not in line and "teacher_mode" not in line]
        assert len(kept) < len(text.splitlines())
        (path / "config.yaml").write_text("\n".join(kept))
        path.rename(path.with_name(names[path.name]))
    folder = RunsFolder(old_table)
    for run in old_runs():
        assert folder.find(run).name == names[run.name] and folder.result(run) is not None
        assert not (old_table / run.name).exists()


def test_a_run_that_learned_something_else_is_not_taken_for_it(old_table: Path) -> None:
    run = old_runs()[-1]
    path = old_table / run.name
    (path / "config.yaml").write_text((path / "config.yaml").read_text().replace("mix_count: 5", "mix_count: 4"))
    path.rename(old_table / "another")
    (old_table / "no_config").mkdir()
    (old_table / "no_config" / "config.yaml").write_text("a list: [")
    folder = RunsFolder(old_table)
    assert folder.find(run) == old_table / run.name and folder.result(run) is None


def test_a_run_is_found_wherever_it_ran(config: Config, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    job = Job(config, ClusterConfig(use_gpu=True, cpus_per_worker=4, data_cpus=2, max_failures=9))
    jobs_config.save(job, tmp_path / "mine" / "config.yaml")
    assert RunsFolder(tmp_path).find(Run(config)) == tmp_path / "mine"


def test_a_run_reads_the_same_files_in_any_working_directory(config: Config, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").touch()
    run = Run(change(config, {"data.root": "people", "model.pretrained": ["weights.pth"]}))
    read = RunsFolder(tmp_path / "tables").config(run)
    assert (read.data.root, read.model.pretrained) == (str(tmp_path / "people"), (str(tmp_path / "weights.pth"),))
    assert Run(change(config, {"data.root": str(tmp_path / "people")})).name == Run(
        change(config, {"data.root": "people"})).name


def test_what_others_start_from_is_trained_first_and_once(config: Config) -> None:
    base = Run(dataclasses.replace(config, method=SupervisedConfig()))
    warm = [Run(dataclasses.replace(config, method=TRSConfig(unsup_weight=weight)), (base,)) for weight in (1, 2)]
    assert with_starts(warm) == [base, *warm]
    assert RunsFolder(Path("/runs")).config(warm[0]).train.init_from == (f"/runs/{base.name}",)


def test_a_repeated_run_has_another_split_and_other_weights(config: Config) -> None:
    run = Run(config, (Run(config),))
    assert run.repeated(0) == run
    for one in (run.repeated(2), *run.repeated(2).starts_from):
        assert one.config.data.split_seed == config.data.split_seed + 2
        assert one.config.train.seed == config.train.seed + 2000


def test_a_training_that_has_not_come_to_its_end_is_not_done(config: Config, tmp_path: Path) -> None:
    run = Run(config)
    assert RunsFolder(tmp_path).result(run) is None
    mark_done(tmp_path / run.name, config.train.epochs, ap=0.5)
    assert RunsFolder(tmp_path).result(run) == {"epoch": config.train.epochs, "step": 1, "ap": 0.5}
    longer = Run(change(config, {"train.epochs": config.train.epochs + 1}))
    (tmp_path / run.name).rename(tmp_path / longer.name)
    assert RunsFolder(tmp_path).result(longer) is None


def test_a_table_goes_on_from_its_results_alone(config: Config, tmp_path: Path) -> None:
    """On another machine, where the data lie elsewhere and the trainings are not."""
    first, second = Run(config), Run(change(config, {"train.learning_rate": 0.5}))
    warm = Run(change(config, {"train.learning_rate": 0.1}), (first,))
    here, there = tmp_path / "here", tmp_path / "there"
    mark_done(here / first.name, config.train.epochs, ap=0.5)
    RunsFolder(here).write_results([first, second])
    there.mkdir()
    shutil.copy(here / RESULTS_FILE, there)
    moved = [run.changed(lambda config: change(config, {"data.root": "/elsewhere"})) for run in (first, second, warm)]
    folder = RunsFolder(there)
    assert folder.result(moved[0])["ap"] == 0.5 and folder.result(moved[1]) is None
    mark_done(there / moved[1].name, config.train.epochs, ap=0.6)
    folder.write_results([moved[1]])
    again = RunsFolder(there)
    assert [again.result(run)["ap"] for run in moved[:2]] == [0.5, 0.6]
    assert not again.is_trained(moved[0])  # what starts from it needs more than a number


@pytest.mark.parametrize("damage", ["{", "[]", '{"a": 3}'])
def test_results_that_are_none_are_told(tmp_path: Path, damage: str) -> None:
    (tmp_path / RESULTS_FILE).write_text(damage)
    with pytest.raises(InputError, match="restore it, or delete it"):
        RunsFolder(tmp_path)


def test_a_training_without_its_last_checkpoint_is_not_done(config: Config, tmp_path: Path) -> None:
    mark_done(tmp_path / Run(config).name, config.train.epochs, ap=0.5)
    (tmp_path / Run(config).name / "checkpoint_00000001" / "state.json").unlink()
    assert RunsFolder(tmp_path).result(Run(config)) is None
