"""The files of a deployment name settings, files and times that there are."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

from service.serve import LAST_SECONDS
from service.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def composed() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_the_settings_of_both_files_are_read(tmp_path: Path):
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    image = dict(re.findall(r"(PITCHWRIGHT_[A-Z_]+)=(\S+)", dockerfile))
    assert load_settings(image, tmp_path).embedder == "offline"
    services = composed()
    for name in ("service-1", "service-2"):
        environment: dict[str, str] = services[name]["environment"]
        settings = load_settings({**image, **environment}, tmp_path)
        assert settings.host == "0.0.0.0"  # noqa: S104 -- inside of its container
        wanted = settings.drain_seconds + settings.shutdown_seconds + LAST_SECONDS
        assert float(services[name]["stop_grace_period"].removesuffix("s")) >= wanted
        mounted = {volume.split(":")[1] for volume in services[name]["volumes"]}
        assert mounted == {settings.data_dir, settings.snapshot_url}
        made = re.search(r"install --directory --owner pitchwright (.*)", dockerfile)
        assert made is not None
        assert mounted == set(made[1].rstrip(" \\").split())


def test_the_image_is_made_of_files_that_there_are():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert f"!{name}" in let_through
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    images = [each["image"] for each in composed().values() if each["image"] != "pitchwright:local"]
    for image in [*bases, *images]:
        assert re.search(r":v?\d+\.\d+", image), f"{image} is not pinned"
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    copied = {f"COPY {name} {name}" for name in built["wheel"]["packages"]}
    assert copied <= set(dockerfile.splitlines())


def test_requirements_are_those_of_the_project_and_its_extras():
    command = [sys.executable, "deploy/requirements.py", "postgres"]
    printed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert printed == [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
