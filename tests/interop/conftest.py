"""Programs in other languages, built once."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

SOURCES = Path(__file__).with_name("go")
GO = Path(sysconfig.get_path("scripts")) / "go"


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Go program, built once."""
    built = tmp_path_factory.mktemp("go") / "interop"
    subprocess.run([GO, "build", "-o", str(built), "."], cwd=SOURCES, check=True)
    return str(built)
