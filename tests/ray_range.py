"""The gate on the oldest and on the newest Ray of setup.cfg's range: `python -m tests.ray_range`.

Each gets an environment for a while, which sees the packages of this one, and has a Ray of its own.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def wanted(setup: str) -> list[str]:
    """What pip is asked for: the first release of the range with its repairs, and the last one."""
    config = configparser.ConfigParser()
    config.read_string(setup)
    (ray,) = [found for line in config["options"]["install_requires"].split("\n") if line
              if (found := Requirement(line)).name == "ray"]
    (oldest,) = [each.version for each in ray.specifier if each.operator == ">="]
    return [f"ray=={oldest}.*", f"ray{ray.specifier}"]


def run_gate(ray: str, folder: Path, options: list[str]) -> int:
    """Install this Ray below a folder, and run the gate with it; its exit code."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", ray], check=True)
    (own,) = folder.glob("lib/python*/site-packages")
    there = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    lines = [f"import site; site.addsitedir({path!r})\n" for path in dict.fromkeys(there)]
    (own / "others.pth").write_text("".join(lines))
    said = subprocess.run([python, "-c", "import ray; print(ray.__version__, ray.__file__)"], capture_output=True,
                          text=True, check=True).stdout.split()
    if not Path(said[1]).is_relative_to(folder):
        raise SystemExit(f"{ray} was not installed: {said[1]} is found in its place")
    print(f"Ray {said[0]}", flush=True)
    return subprocess.run([python, "-m", "pytest", *(options or ["-m", "gate"])], cwd=ROOT).returncode


def main(options: list[str]) -> int:
    """Run the gate, or what pytest's options say, on both ends of the range."""
    codes = []
    for ray in wanted((ROOT / "setup.cfg").read_text()):
        with tempfile.TemporaryDirectory() as folder:
            codes.append(run_gate(ray, Path(folder).resolve(), options))
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
