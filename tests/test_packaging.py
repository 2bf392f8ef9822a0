"""What is declared, what is installed, and what the package offers."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import gloze

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = [
    line
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared():
    requirements = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        requirements += extra
    return {plain(re.match(r"[\w.-]+", line)[0]) for line in requirements} - {"gloze"}


@pytest.mark.parametrize("name", gloze.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(gloze, name)
    assert name in dir(gloze)
    if name != "__version__":
        assert value.__doc__


def test_the_public_names_are_those_that_are_looked_up():
    assert set(gloze.__all__) == {*gloze._PLACES, "__version__"}


def test_the_version_is_the_installed_one():
    assert gloze.__version__ == version("gloze") == PROJECT["version"]


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'gloze' has no attribute 'pretrian'"):
        gloze.pretrian  # noqa: B018


def test_every_declared_dependency_is_pinned_and_explained():
    pinned = {plain(line.partition("==")[0]) for line in CONSTRAINTS}
    explained = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    words = {plain(word.rstrip(".")) for word in re.findall(r"[\w.-]+", explained)}
    assert declared() <= pinned
    assert declared() <= words


def test_pins_are_plain_versions_with_torch_first():
    assert CONSTRAINTS[0].startswith("torch==")
    for line in CONSTRAINTS:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", line), line


def test_the_installed_versions_are_the_tested_ones():
    # pip may add a build name such as +cpu.
    for line in CONSTRAINTS:
        name, _, wanted = line.partition("==")
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        assert found.partition("+")[0] == wanted, f"{name} {found} is installed, not {wanted}"


def test_the_changelog_knows_this_version():
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert PROJECT["license"] == "Apache-2.0"


def test_the_environment_script_says_what_it_can_do():
    process = subprocess.run(
        [sys.executable, ROOT / "scripts/run.py", "tset"], capture_output=True, text=True
    )
    assert process.returncode == 2
    for target in ("quickstart", "test", "check"):
        assert f"scripts/run.py {target}" in process.stderr


def test_make_and_the_script_know_the_same_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    script = (ROOT / "scripts/run.py").read_text(encoding="utf-8")
    assert set(targets) == set(re.findall(r'^        "([\w-]+)": ', script, re.MULTILINE))
