"""The tree tells the story: what the documentation says of the layout is so."""

import re
from pathlib import Path

import pytest

import loom

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "loom"
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_the_packages_docstring_names_every_package():
    named = set(re.findall(r":mod:`loom\.(\w+)`", loom.__doc__ or ""))
    there = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    there |= {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    assert named == there


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_what_it_is_for(path: Path):
    assert path.read_text(encoding="utf-8").startswith(('"""', 'r"""'))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_has_one_purpose(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
