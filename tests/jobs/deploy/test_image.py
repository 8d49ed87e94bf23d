"""The clusters' image, made without Docker: each line of its Dockerfile, run in a Debian as bare as its base image.

`python:3.11-slim-bookworm` is Debian bookworm with a Python 3.11 of its own in /usr/local; here Debian's own stands for
it. pip finds its packages in a folder that this machine's pip has filled before.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "jobs" / "deploy" / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text().split()
MOUNTS = ("mount --bind {wheels} {root}/wheels && mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && "
          "mount -t tmpfs -o size=2g tmpfs {root}/dev/shm && exec chroot --userspec={user} {root} ")


@dataclass
class Image:
    """A folder that becomes the image, and what Docker would remember between the lines."""

    root: Path
    wheels: Path
    user: str = "root"
    folder: str = "/"
    variables: dict[str, str] = field(default_factory=lambda: {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"})

    def run(self, command: str) -> str:
        """What a command says inside."""
        inside = f"cd {shlex.quote(self.folder)} && {command}"
        mounts = MOUNTS.format(wheels=self.wheels, root=self.root, user=f"{self.user}:{self.user}")
        done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                               mounts + shlex.join(["sh", "-c", inside])], env=self.variables, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}"
        return done.stdout

    def copy(self, source: str, target: str) -> None:
        """A file or folder of the clone, as COPY takes it."""
        inside = self.root / os.path.join(self.folder, target).lstrip("/")
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, inside, ignore=ignored, dirs_exist_ok=True)
        else:
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, inside)

    def follow(self, word: str, rest: str) -> None:
        """One instruction of the Dockerfile."""
        if word == "RUN":
            self.run(rest)
        elif word == "ENV":
            self.variables.update(part.partition("=")[::2] for part in shlex.split(rest))
        elif word == "WORKDIR":
            self.folder = rest
        elif word == "USER":
            self.user = rest
        else:
            assert word == "COPY", f"{word} is new to this test"
            owner, source, target = re.fullmatch(r"(?:--chown=(\w+) )?(\S+) (\S+)", rest).groups()  # type: ignore
            self.copy(source, target)
            if owner:
                self.run(f"chown -R {owner}:{owner} {target}")


def ignored(folder: str, names: list[str]) -> set[str]:
    """Which of a folder's names .dockerignore leaves out: of the top folder, or where it says so of all."""
    here = [name for name in IGNORED if Path(folder) == ROOT or name.startswith("**/")]
    return {name for name in names if name in {each.removeprefix("**/") for each in here}}


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Its instructions and what follows each, without comments."""
    lines = [line for line in dockerfile.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in
                                               "\n".join(lines).replace("\\\n", "").splitlines())]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the image's users may enter, for gigabytes that go again."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("only root, with Debian's debootstrap, makes a Debian inside of a folder")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the wheels of another Python than the image's do not go there")
    made = Path(tempfile.mkdtemp(prefix="image-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def wheels(folder: Path) -> Path:
    """The packages that the image asks for."""
    made = folder / "wheels"
    for wanted in (["-r", "jobs/deploy/tested.txt", ".[pretrained,postgresql]"], ["setuptools>=69"]):
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "-d", made, *wanted], cwd=ROOT, check=True)
    return made


@pytest.fixture(scope="module")
def image(wheels: Path, folder: Path) -> Image:
    """The base image's stand-in."""
    root = folder / "root"
    root.mkdir(mode=0o755)
    subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates,netbase,tzdata,python3-venv",
                    "bookworm", root], check=True, capture_output=True)
    for name in ("resolv.conf", "hosts"):  # as Docker does
        shutil.copy(Path("/etc", name), root / "etc")
    (root / "wheels").mkdir()
    return Image(root, wheels)


def test_each_line_runs_and_the_image_trains_as_its_user(image: Image) -> None:
    (word, base), *others = instructions(DOCKERFILE)
    assert (word, base) == ("FROM", "python:3.11-slim-bookworm")
    image.run("python3 -m venv /usr/local")
    for instruction in others:
        image.follow(*instruction)
    assert image.user == "ray" and image.run("sudo whoami").split()[-1] == "root"
    frozen = set(image.run("python -m pip freeze").lower().replace("_", "-").split())
    tested = {line.partition("[")[0] + line.partition("]")[2] if "[" in line else line
              for line in (ROOT / "jobs" / "deploy" / "tested.txt").read_text().lower().replace("_", "-").splitlines()
              if line and not line.startswith("#")}
    assert tested <= frozen
    image.run("which ssh rsync wget")  # fails where one is absent
    image.run("python -c 'import boto3, cv2, googleapiclient, psycopg, timm, torchvision'")
    said = image.run("python -m jobs.train --preset demo --data.drawn-people 60 --data.labeled-count 20 --epochs 1 "
                     "--train.burn-in 0 --data.dev-count 10 --out ../runs --name once")
    assert "epoch 1/1" in said
