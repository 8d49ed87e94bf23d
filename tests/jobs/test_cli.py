"""The command line as a user types it, without Ray."""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ray.exceptions import RayTaskError

from jobs import cli, score, train
from jobs import config as jobs_config
from jobs.cluster.failures import find_mistake
from jobs.config import TWO_CORES, ClusterConfig, Job
from trs import config as configs
from trs.config import SupervisedConfig
from trs.errors import InputError
from trs.presets import PRESETS, demo

ROOT = Path(__file__).resolve().parents[2]


def parse(*arguments: str) -> cli.Command:
    return cli.parse(cli.Command, list(arguments), "test")


def run(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=cwd, capture_output=True, text=True,
                          timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_presets_options_and_short_forms() -> None:
    assert parse().settings == demo()
    command = parse("--preset", "coco-wild", "--data.root", "x", "--epochs", "3", "--workers", "4",
                    "--method.unsup-weight", "2")
    assert command.settings.data.labeled_count is None
    assert (command.settings.data.root, command.settings.train.epochs, command.settings.train.workers,
            command.settings.method.unsup_weight) == ("x", 3, 4, 2.0)


def test_every_preset_has_a_name_on_the_command_line() -> None:
    assert set(PRESETS) == set(cli.PresetName.__args__)
    assert set(configs.METHOD_NAMES) == set(cli.MethodName.__args__)


def test_another_method_brings_its_own_options() -> None:
    assert parse("--method", "supervised").settings.method == SupervisedConfig()
    with pytest.raises(SystemExit):
        parse("--method", "supervised", "--method.unsup-weight", "2")


def test_a_config_file_is_a_start_like_a_preset(tmp_path: Path) -> None:
    jobs_config.save(jobs_config.preset("lspet"), tmp_path / "best.yaml")
    command = parse("--config", str(tmp_path / "best.yaml"), "--train.epochs", "7")
    assert command.settings.data.input_size == (128, 128) and command.settings.train.epochs == 7
    assert command.title == "best"


def test_a_resumed_run_keeps_its_settings(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    configs.save(PRESETS["lspet"](), tmp_path / "old" / "config.yaml")
    command = parse("--resume", "old", "--out", str(tmp_path))
    assert command.settings == PRESETS["lspet"]() and command.folder == tmp_path / "old"
    with pytest.raises(InputError, match="keeps its settings"):
        parse("--resume", "old", "--out", str(tmp_path), "--train.epochs", "3")


@pytest.mark.parametrize(("arguments", "named"), [
    (["--train.learning-rate", "0.5", "--model.levels", "1"], "model.levels, train.learning_rate"),
    (["--method", "supervised"], "--method"), (["--threads", "3"], "cluster.threads"),
    (["--epochs", "3", "--eval.every", "2"], "--epochs, eval.every"),
    (["--data.root", "moved", "--use-gpu", "--name", "other", "--data.sigma", "1.5"], "--name, data.sigma")])
def test_what_a_resumed_run_keeps_is_named(tmp_path: Path, arguments: list[str], named: str) -> None:
    (tmp_path / "old").mkdir()
    configs.save(demo(), tmp_path / "old" / "config.yaml")
    with pytest.raises(InputError) as error:
        parse("--resume", "old", "--out", str(tmp_path), *arguments)
    assert str(error.value) == (f"a resumed run keeps its settings; leave out {named}, or start a new run with "
                                f"--config {tmp_path}/old/config.yaml")


def test_a_resumed_run_may_change_what_changes_nothing_that_is_learned(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    before = Job(demo(), ClusterConfig(threads=2))
    jobs_config.save(before, tmp_path / "old" / "config.yaml")
    given = {"data.root": str(tmp_path), "data.max_bad_images": 0.5, "eval.batch_size": 3, "train.max_skipped_steps": 2}
    options = [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    command = parse("--resume", "old", "--out", str(tmp_path), *options, "--max-failures", "9", "--threads", "2",
                    "--train.epochs", str(demo().train.epochs), "--epochs", str(demo().train.epochs))
    assert command.settings == configs.change(demo(), given)
    assert command.cluster == ClusterConfig(threads=2, max_failures=9)


def test_a_run_is_resumed_by_its_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell completes it, or from within."""
    run = tmp_path / "runs" / "old"
    (run / "trials").mkdir(parents=True)
    configs.save(demo(), run / "config.yaml")
    for place, name in ((tmp_path, "old"), (tmp_path, "runs/old/"), (tmp_path, str(run)), (run, "."),
                        (run / "trials", ".."), (tmp_path, "runs/old/trials/..")):
        monkeypatch.chdir(place)
        command = parse("--resume", name)
        assert command.folder == run and command.to_resume == f"--resume old --out {tmp_path}/runs", name
    with pytest.raises(InputError, match=r"cannot read the config .*No such file"):
        parse("--resume", "..", "--out", str(tmp_path))


@pytest.mark.parametrize("option", ["--epochs", "--workers"])
def test_a_resumed_run_refuses_the_short_forms_too(tmp_path: Path, option: str) -> None:
    (tmp_path / "old").mkdir()
    configs.save(demo(), tmp_path / "old" / "config.yaml")
    with pytest.raises(InputError, match=f"keeps its settings; leave out {option}"):
        parse("--resume", "old", "--out", str(tmp_path), option, "2")


@pytest.mark.parametrize(("arguments", "option"), [
    (["--resume", ""], "--resume"), (["--resume="], "--resume"), (["--name", ""], "--name"), (["--out", ""], "--out"),
    (["--out", " "], "--out"), (["--config", ""], "--config"), (["--preset", "demo", "--name="], "--name"),
    (["--data.manifest", ""], "--data.manifest"), (["--train.init-from", "a", ""], "--train.init-from"),
    (["--model.pretrained="], "--model.pretrained"), ([""], "an argument")])
def test_what_an_unset_shell_variable_leaves_is_refused(tmp_path: Path, arguments: list[str], option: str,
                                                        monkeypatch: pytest.MonkeyPatch,
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    """By the commands that share these options, and by any other before it begins."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"^{option} is empty: is the shell variable set that it comes from"):
        parse(*arguments)

    def begin(arguments: list[str]) -> None:
        raise AssertionError

    for main in (train.main, begin):
        with pytest.raises(SystemExit, match="2"):
            cli.run(main, arguments)
        assert capsys.readouterr().err == f"error: {option} is empty: is the shell variable set that it comes from?\n"
    assert list(tmp_path.iterdir()) == []


def test_home_is_meant_by_what_no_shell_has_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    configs.save(demo(), tmp_path / "mine.yaml")
    command = parse("--out=~/x y", "--config=~/mine.yaml", "--data.root=~", "--train.init-from", "~/a", "b~")
    assert command.out == tmp_path / "x y" and command.config == tmp_path / "mine.yaml"
    assert command.settings.data.root == str(tmp_path)
    assert command.settings.train.init_from == (str(tmp_path / "a"), str(Path("b~").absolute()))
    with pytest.raises(InputError, match=r"^--out: ~nobody_at_all/x is nobody's home; .* write \./~nobody_at_all/x$"):
        parse("--out=~nobody_at_all/x")


@pytest.mark.parametrize("arguments", [["--out", "s3://bucket/runs"], ["--out=gs://b"], ["--data.root", "hdfs://n/x"],
                                       ["--config=file:///x.yaml"], ["--resume", "S3://b/first"], ["--out", "rsync://nas/runs"]])
def test_the_address_of_a_bucket_is_no_folder(tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        cli.run(train.main, arguments)
    option = arguments[0].partition("=")[0]
    assert capsys.readouterr().err.startswith(f"error: {option}: ") and list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=f"^{option}: .* is no path of a file system; name a file or folder here"):
        parse(*arguments)


def test_a_submitted_job_does_not_write_into_rays_copy_of_its_code(tmp_path: Path) -> None:
    copy = tmp_path / "session_1" / "runtime_resources" / "working_dir_files" / "_ray_pkg_0af1"
    copy.mkdir(parents=True)
    done = run("jobs.table", "table2", cwd=copy)
    assert done.returncode == 2 and done.stderr.startswith(f"error: {copy}/runs/tables lies in Ray's own copy")
    done = run("jobs.train", "--name", "a", cwd=copy)
    assert done.stderr == (f"error: {copy}/runs/a lies in Ray's own copy of the submitted code, which other nodes do "
                           "not see and Ray deletes; name with --out a folder on storage that every node sees\n")
    assert list(copy.iterdir()) == []
    assert parse("--out", str(tmp_path)).out == tmp_path


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", ".", "ü" * 128])
def test_a_name_is_that_of_a_folder_in_out(name: str) -> None:
    with pytest.raises(InputError, match=r"^--name is (the name of a folder in --out, got|longer than the 255 bytes)"):
        parse("--name", name)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "-x"])
def test_a_name_can_be_typed_and_printed(name: str) -> None:
    with pytest.raises(InputError, match="--name must be printable and not begin with a dash: ") as error:
        parse(f"--name={name}")
    assert str(error.value).isprintable()


def test_the_options_that_resume_a_run_are_quoted() -> None:
    command = parse("--name", "my run; it's", "--out", "/tmp/a b")
    assert command.to_resume == """--resume 'my run; it'"'"'s' --out '/tmp/a b'"""
    assert shlex.split(command.to_resume) == ["--resume", "my run; it's", "--out", "/tmp/a b"]
    assert parse("--name", "plain", "--out", "/tmp/runs").to_resume == "--resume plain --out /tmp/runs"


def test_a_run_that_is_there_says_how_to_resume_it(tmp_path: Path) -> None:
    (tmp_path / "my run").mkdir()
    with pytest.raises(InputError, match=f"exists already: resume it with --resume 'my run' --out {tmp_path}, or"):
        train.main(["--name", "my run", "--out", str(tmp_path)])


@pytest.mark.parametrize(("arguments", "words"), [
    (["--data.unlabeled-images", "x"], "data.unlabeled_images has no effect without data.unlabeled_annotations"),
    (["--model.levels", "1", "--model.fuse", "mean"], "model.fuse has no effect beside model.levels = 1"),
    (["--data.val-detections", "d.json", "--data.min-detection-score", "0.9", "--data.dev-count", "None"],
     "data.min_detection_score has no effect without data.unlabeled_detections: boxes of data.val_detections all"),
    (["--method", "single", "--model.backbones", "resnet18", "resnet34"], "model.backbones has no effect beyond"),
    (["--method", "supervised", "--model.backbones", *["resnet18"] * 3], "model.backbones has no effect beyond"),
    (["--method", "supervised", "--train.burn-in", "3"], "train.burn_in has no effect on supervised, all of whose"),
    (["--train.schedule", "cosine", "--train.lr-drops", "0.5"], "train.lr_drops has no effect beside train.schedule"),
    (["--method.augment", "cutout", "--method.mix-count", "3"], "method.mix_count has no effect without keypoint_mix"),
    (["--resize-seconds", "3"], "cluster.resize_seconds has no effect without cluster.min_workers"),
    (["--model.backbones", *["resnet18"] * 3], "model.backbones names 3 backbones, but trs trains 2 networks")])
def test_an_option_that_does_nothing_is_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse(*arguments)


def test_what_a_file_or_a_preset_has_set_may_lie_idle(tmp_path: Path) -> None:
    config = configs.change(demo(), {"method.augment": ["cutout"], "method.mix_count": 3, "data.val_count": 5})
    configs.save(config, tmp_path / "old.yaml")
    start = "--config", str(tmp_path / "old.yaml")
    assert parse(*start).settings == config
    assert parse(*start, "--method.augment", "cutmix", "--train.epochs", "2").settings.method.mix_count == 3
    with pytest.raises(InputError, match=r"method\.mix_count has no effect"):
        parse(*start, "--method.mix-count", "4")
    assert parse("--min-workers", "1", "--resize-seconds", "3").cluster.resize_seconds == 3
    mixed = parse("--preset", "coco-5k-mixed", "--method", "supervised").settings
    assert mixed.model.backbones == ("resnet50", "resnet18")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("method", configs.METHOD_NAMES)
def test_every_method_takes_every_preset(preset: str, method: str) -> None:
    assert parse("--preset", preset, "--method", method).settings.method.name == method


def test_another_method_leaves_out_the_backbones_that_it_has_no_network_for(tmp_path: Path) -> None:
    three = parse("--method", "sspcm", "--model.backbones", "resnet50", "resnet34", "resnet18").settings
    assert three.model.backbones == ("resnet50", "resnet34", "resnet18")
    configs.save(three, tmp_path / "sspcm.yaml")
    for method, left in (("trs", 2), ("single", 2), ("sspcm", 3), ("supervised", 3)):
        settings = parse("--config", str(tmp_path / "sspcm.yaml"), "--method", method).settings
        assert settings.model.backbones == three.model.backbones[:left]


@pytest.mark.parametrize(("arguments", "words"), [
    (["--train.learning-rate", "nan"], "--train.learning-rate must be finite, got nan"),
    (["--train.lr-drops", "0.5", "inf"], "--train.lr-drops must be a list, each of its values finite, got (0.5, inf)"),
    (["--view.rotation", "-30"], "--view.rotation must be at least 0, got -30.0"),
    (["--data.unlabeled-count", "-5"], "--data.unlabeled-count must be at least 0, got -5"),
    (["--train.seed", "-1"], "--train.seed must be at least 0, got -1"),
    (["--epochs", "-1"], "--train.epochs must be at least 1, got -1"),
    (["--max-failures", "-1"], "--max-failures must be at least 0, got -1"),
    (["--data-cpus", "inf"], "--data-cpus must be finite, got inf"),
    (["--min-workers", "3"], "--min-workers must be from 1 to --train.workers, 1, got 3")])
def test_a_senseless_number_is_one_sentence_that_names_the_option(
        tmp_path: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        cli.run(train.main, arguments)
    assert capsys.readouterr().err == f"error: {words}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_that_ray_has_wrapped_keeps_its_own_words() -> None:
    mistake = InputError("no image can be read\nTo change retry attempts, configure ...")  # as Ray Data adds to it
    wrapped = RayTaskError("read", "Traceback: ...", mistake).as_instanceof_cause()
    assert isinstance(wrapped, InputError) and "Traceback" in str(wrapped)
    assert find_mistake(wrapped) == "no image can be read"


def test_unknown_options_are_refused_with_a_suggestion(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse("--train.epoch", "3")
    assert stopped.value.code == 2
    assert "--train.epochs" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "words"), [
    (["--preset", "coco-1k", "--model.pretrained", "none"], "--data.root must name its folder"),
    (["--preset", "coco-1k", "--data.root", "nowhere", "--model.pretrained", "none"], "there is no folder"),
    (["--preset", "lspet", "--data.root", "{empty}"], "no folder"),
    (["--config", "missing.yaml"], "cannot read the config missing.yaml"),
    (["--resume", "nobody"], "cannot read the config"),
    (["--train.epochs", "0"], "epochs"),
])
def test_a_users_mistake_is_one_sentence(tmp_path: Path, arguments: list[str], words: str,
                                         monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as ended:
        cli.run(train.main, [argument.format(empty=tmp_path / "empty") for argument in arguments])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "runs").exists()


def test_fields_that_the_library_names_are_spelled_as_options() -> None:
    assert cli.as_options("lower train.learning_rate or method.unsup_weight; see data/train.json and train.json") == \
        "lower --train.learning-rate or --method.unsup-weight; see data/train.json and train.json"
    assert cli.as_options("name one, such as --space train.learning_rate=1e-4..1e-2:log") == \
        "name one, such as --space train.learning_rate=1e-4..1e-2:log"
    assert cli.as_options("cluster.max_failures must be at least 0; see cluster.yaml") == \
        "--max-failures must be at least 0; see cluster.yaml"  # these options have no section


def test_a_command_without_a_configs_options_calls_its_own_by_the_fields_name() -> None:
    assert cli.as_options("name them with data.keypoint_names or data.sigmas; check data.root", score.Command) == \
        "name them with --keypoint-names or --sigmas; check data.root"


def test_options_of_0_1_still_work_with_a_line_of_notice(capsys: pytest.CaptureFixture[str]) -> None:
    command = parse("--train.use-gpu", "--train.cpus-per-worker=2", "--train.no-use-gpu", "--data-cpus", "0.5")
    assert command.cluster == dataclasses.replace(TWO_CORES, cpus_per_worker=2.0, data_cpus=0.5)
    assert capsys.readouterr().err.splitlines() == [
        "note: --train.use-gpu is now --use-gpu", "note: --train.cpus-per-worker is now --cpus-per-worker",
        "note: --train.no-use-gpu is now --no-use-gpu"]


def test_a_resumed_run_may_change_its_machines(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    configs.save(demo(), tmp_path / "old" / "config.yaml")
    assert parse("--resume", "old", "--out", str(tmp_path), "--use-gpu").cluster.use_gpu


def test_a_mistake_leaves_no_traceback(tmp_path: Path) -> None:
    done = run("jobs.train", "--resume", "nobody", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot read the config") and len(done.stderr.splitlines()) == 1


def test_help_explains_every_option(tmp_path: Path) -> None:
    done = run("jobs.train", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for words in ("--train.learning-rate", "Lambda of Eq. 12", "--data.labeled-count", "--resume"):
        assert words in done.stdout


@pytest.mark.parametrize("command", ["jobs.train", "tune.compare"])  # more and less than a buffer holds
@pytest.mark.parametrize("buffered", ["", "1"], ids=["in one piece", "line by line"])
def test_a_reader_of_the_help_may_have_seen_enough(command: str, buffered: str) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "w") as nobody:
        done = subprocess.run([sys.executable, "-m", command, "--help"], cwd=ROOT, stdout=nobody,
                              stderr=subprocess.PIPE, text=True, timeout=60,
                              env={**os.environ, "PYTHONUNBUFFERED": buffered})
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("command", [["run_tune.py"], ["-m", "jobs.train"], ["-m", "tune.compare", "x"]])
def test_a_system_without_libgl_is_told_what_to_install(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith("error: OpenCV cannot be loaded (libGL.so.1") and "libgl1" in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_workers_read_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").touch()
    given = ["--train.init-from", "runs/a", "/elsewhere/b", "--model.pretrained", "weights.pth"]
    config = cli.parse(cli.Command, given, "test").settings
    assert config.train.init_from == (str(tmp_path / "runs" / "a"), "/elsewhere/b")
    assert config.model.pretrained == (str(tmp_path / "weights.pth"),)
    named = cli.parse(cli.Command, ["--model.pretrained", "imagenet"], "test").settings
    assert named.model.pretrained == ("imagenet",)


def test_a_smaller_demo_keeps_its_proportions() -> None:
    whole = cli.parse(cli.Command, [], "python run_tune.py").settings
    assert whole == PRESETS["demo"]() and (whole.data.dev_count, whole.train.burn_in) == (200, 50)
    small = cli.parse(cli.Command, ["--data.drawn-people", "80", "--data.labeled-count", "24", "--epochs", "1"],
                      "python run_tune.py").settings
    assert (small.data.drawn_people, small.data.dev_count, small.train.burn_in) == (80, 16, 1)
    for options in (["--train.batch-size", "64"], ["--data.unlabeled-count", "160"], ["--workers", "4"],
                    ["--train.workers", "4"]):
        fewer_steps = cli.parse(cli.Command, options, "python run_tune.py").settings
        assert fewer_steps.train.burn_in == 12, options  # a quarter of 50
    given = cli.parse(cli.Command, ["--data.drawn-people", "80", "--data.dev-count", "7", "--train.burn-in", "0"],
                      "python run_tune.py").settings
    assert (given.data.dev_count, given.train.burn_in) == (7, 0)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("locale", ["C.UTF-8", "POSIX"])
def test_a_command_that_is_started_without_streams_ends_as_with_them(tmp_path: Path, closed: str, locale: str) -> None:
    """As daemons start it; a locale that is not UTF-8's starts Python once more."""
    ended = subprocess.run(
        ["bash", "-c", f'exec "$@" {closed}', "bash", sys.executable, "-m", "tune.compare", "none", "--out",
         str(tmp_path)], cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True,
        env=os.environ | {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert ended.returncode == 2 and ended.stdout == "", ended.stderr
    assert ended.stderr == "" or ended.stderr.startswith("error: there is no search in"), ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_way_on_is_one_for_folders_of_any_name(tmp_path: Path) -> None:
    for name in ("~root", "-lead", "a b", "first"):
        (tmp_path / name).mkdir()
        configs.save(demo(), tmp_path / name / "config.yaml")
        words = shlex.split(cli.parse(cli.Command, [f"--resume={tmp_path / name}"], "test").to_resume)
        assert cli.parse(cli.Command, words, "test").folder == tmp_path / name


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    long = str(tmp_path.joinpath(*["x" * 180] * 25))
    for arguments in (["--name", "q", "--out", long], ["--resume", "q", "--out", long], ["--resume", f"{long}/q"]):
        with pytest.raises(InputError, match="leads to a path longer than 3800 bytes"):
            cli.parse(cli.Command, arguments, "test")
