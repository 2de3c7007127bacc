"""Programs in other languages, built once."""

import pytest

from .foreign import build_go_program


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Go program, built once."""
    return build_go_program(tmp_path_factory.mktemp("go"))
