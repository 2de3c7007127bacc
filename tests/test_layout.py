"""The layout is as documented: docstrings of packages are maps of their modules, and tests mirror the packages."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "loom"
MODULES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = sorted(path.parent for path in MODULES if path.name == "__init__.py")
OTHER_TESTS = {"docs", "page", "interop", "conformance", "differential", "examples", "support", "fixtures"}
"""Folders of tests that mirror no package (docs/development.md)."""
DEVELOPMENT = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
TOP_LEVEL = {path.stem for path in PACKAGE.glob("*.py")} | {
    path.parent.name for path in PACKAGE.glob("*/__init__.py")
}


def documented_section(heading: str) -> str:
    """The text below a heading of docs/development.md."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", DEVELOPMENT, re.MULTILINE | re.DOTALL)
    return str(section)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_packages_docstring_lists_its_modules_and_nothing_else(package: Path) -> None:
    name = ".".join(package.relative_to(ROOT).parts)
    text = (package / "__init__.py").read_text(encoding="utf-8")
    listed = re.findall(rf"^\* :mod:`~?{re.escape(name)}\.(\w+)`: \S", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    modules |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert set(listed) - {"__main__"} == modules


def test_the_documented_layers_are_those_that_import_linter_checks() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [each for each in settings["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    layers = [layer.replace("loom.", "") for layer in contract["layers"]]
    [block] = re.findall(r"^```text\n(.*?)^```", documented_section("Packages"), re.MULTILINE | re.DOTALL)
    assert block.splitlines() == layers
    assert {name for layer in layers for name in layer.split(" | ")} == TOP_LEVEL - {"__init__", "__main__"}


def test_the_documented_packages_are_all() -> None:
    rows = re.findall(r"^\| (`.*?) \| \S", documented_section("Packages"), re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(names) == sorted(TOP_LEVEL - {"__init__", "__main__"})


def test_the_glossary_is_short() -> None:
    assert 0 < len(re.findall(r"^\| ", documented_section("Glossary"), re.MULTILINE)) <= 30


def test_tests_mirror_the_packages() -> None:
    folders = {
        path.parent.relative_to(ROOT / "tests")
        for path in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in path.parts
    }
    mirrored = {folder for folder in folders if folder.parts and folder.parts[0] not in OTHER_TESTS}
    assert mirrored <= {package.relative_to(PACKAGE) for package in PACKAGES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_has_a_docstring(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith(('"""', 'r"""'))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_not_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("script", [".ci/run", "Makefile"])
def test_scripts_name_tests_that_there_are(script: str) -> None:
    text = (ROOT / script).read_text(encoding="utf-8")
    paths = re.findall(r"\btests/[\w/]+(?:\.py)?", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
