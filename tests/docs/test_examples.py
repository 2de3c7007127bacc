"""The examples in the documents: commands and filters parse, configuration loads, JSON fits the API, tests pass."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import yaml

from loom.api.base import Answer
from loom.api.openapi import structures
from loom.cli.flags import flag_values
from loom.cli.root import make_command
from loom.interception import load_rules
from loom.interception.faults import parse_fault_flag
from loom.model import Address
from loom.recording.query import parse
from loom.runtime.config_loading import load
from tests.docs.markdown import Block, blocks
from tests.docs.shop import running_shop
from tests.support.loom_process import ROOT, environment

DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*.md")),
]
BLOCKS = [
    (str(path.relative_to(ROOT)), block)
    for path in DOCUMENTS
    for block in blocks(path.read_text(encoding="utf-8"))
]
RECIPES = [
    (name, fault)
    for name, text in ((path.name, path.read_text(encoding="utf-8")) for path in DOCUMENTS)
    for fault in re.findall(r"--fault '([^']+)'", text)
]
_FILES = re.compile(r"[\w./-]+\.(?:toml|pem|key|ndjson|binpb|proto|xml|har|zip)")


def examples(language: str) -> pytest.MarkDecorator:
    """A parameter for each block of a language."""
    found = [(name, block) for name, block in BLOCKS if block.language == language]
    assert found
    return pytest.mark.parametrize(
        "block", [pytest.param(block, id=f"{name}:{block.line}") for name, block in found]
    )


def loom_commands(text: str) -> Iterator[list[str]]:
    """The arguments of each ``loom`` in the lines of a shell script."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, "|"]:
            if word.strip("|&;>") == "":
                if words[:1] == ["loom"]:
                    yield words[1:]
                words = []
            else:
                words.append(word)


def check_command(arguments: list[str]) -> None:
    """Parse a command line, and the settings in it, without running anything."""
    command: click.Command = make_command()
    context: click.Context | None = None
    name = "loom"
    while True:
        context = command.make_context(name, list(arguments), parent=context)
        rest = [*context._protected_args, *context.args]
        if not isinstance(command, click.Group) or not rest:
            break
        name, *arguments = rest
        inner = command.get_command(context, name)
        assert inner is not None, f"no command {name}"
        command = inner
    if name == "loom":
        load(flag_values(context.params), {}, cwd=Path.cwd(), user_dir=Path.cwd())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of an example."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_files(folder: Path, text: str) -> None:
    """Make the files and folders that an example names."""
    for name in re.findall(r"\b(?:api|third_party)/", text):
        (folder / name).mkdir(exist_ok=True)
    for name in _FILES.findall(text):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@examples("sh")
def test_commands_have_known_flags_and_valid_values(block: Block, folder: Path) -> None:
    make_files(folder, block.text)
    for arguments in loom_commands(block.text):
        with contextlib.suppress(click.exceptions.Exit):  # of --help
            check_command(arguments)


def test_a_command_with_an_unknown_flag_is_found(folder: Path) -> None:
    [arguments] = loom_commands("cat x | loom tail --gone  # a comment")
    with pytest.raises(click.NoSuchOption):
        check_command(arguments)


@examples("sh")
def test_commands_name_targets_and_files_that_there_are(block: Block) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([\w-]+)", block.text, re.MULTILINE):
        assert re.search(rf"^{target}[\w -]*:", makefile, re.MULTILINE) or f" {target} " in makefile
    for path in re.findall(r"\bexamples/[\w./-]+", block.text):
        assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "fault"), RECIPES)
def test_faults_of_recipes_can_be_injected(name: str, fault: str) -> None:
    assert parse_fault_flag(fault, 1).name, name


@examples("filter")
def test_filters_parse(block: Block) -> None:
    assert parse(block.text.strip())


@examples("toml")
def test_files_of_settings_and_of_rules_load(block: Block, folder: Path) -> None:
    make_files(folder, block.text)
    if "[[rule]]" in block.text or "[[fault]]" in block.text:
        (folder / "rules.toml").write_text(block.text, encoding="utf-8")
        assert load_rules([folder / "rules.toml"])
        return
    (folder / "loom.toml").write_text(block.text, encoding="utf-8")
    assert load({}, {}, cwd=folder, user_dir=folder).origins


@examples("yaml")
def test_services_of_compose_have_valid_settings(block: Block, folder: Path) -> None:
    loom = yaml.safe_load(block.text)["services"]["loom"]
    context = make_command().make_context("loom", list(loom["command"]))
    settings = load(flag_values(context.params), loom["environment"], cwd=folder, user_dir=folder).settings
    assert settings.target == Address("backend", 50051)
    assert settings.session is None


API = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
API_EXAMPLES = re.findall(r"<!-- example: (\w+) -->\n+```json\n(.*?)```", API, re.DOTALL)


@pytest.mark.parametrize(("name", "text"), API_EXAMPLES, ids=[name for name, _ in API_EXAMPLES])
def test_the_examples_of_the_api_have_the_fields_of_their_structure(name: str, text: str) -> None:
    kinds = {kind.__name__: kind for kind in structures()}
    value = msgspec.json.decode(text)
    if name == "CallDetail":  # which the document gives as "the summary and"
        value |= msgspec.json.decode(dict(API_EXAMPLES)["Summary"])
    assert issubclass(kinds[name], Answer)
    decoded = msgspec.convert(value, kinds[name])
    assert unknown_and_missing_fields(value, msgspec.to_builtins(decoded)) == []


def unknown_and_missing_fields(value: Any, decoded: Any, path: str = "") -> list[str]:
    """Paths that only the example has, or only the structure."""
    if isinstance(value, dict) and isinstance(decoded, dict):
        odd = [f"{path}.{key}" for key in sorted(value.keys() ^ decoded.keys())]
        for key in value.keys() & decoded.keys():
            odd += unknown_and_missing_fields(value[key], decoded[key], f"{path}.{key}")
        return odd
    if isinstance(value, list) and isinstance(decoded, list):
        pairs = enumerate(zip(value, decoded, strict=True))
        return [odd for at, pair in pairs for odd in unknown_and_missing_fields(*pair, f"{path}.{at}")]
    return []


def test_every_json_example_of_the_api_names_its_structure() -> None:
    assert len(API_EXAMPLES) == sum(block.language == "json" for block in blocks(API))


def test_the_tests_in_the_documents_pass(tmp_path: Path) -> None:
    """docs/how-to/testing.md, with a shop as the server and the smallest client as the code under test."""
    parts = [
        block.text
        for block in blocks((ROOT / "docs" / "how-to" / "testing.md").read_text(encoding="utf-8"))
        if block.language == "python"
    ]
    with running_shop() as shop:
        names = [f"test_{number}.py" for number in range(len(parts))]
        prelude = "import pytest\nfrom loom.testing import AsyncLoomProxy\nfrom tests.docs.shop import *\n"
        for name, part in zip(names, parts, strict=True):
            text = re.sub(r"localhost:5005\d", shop, part)
            (tmp_path / name).write_text(f"{prelude}{text}", encoding="utf-8")
        (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n", encoding="utf-8")
        (tmp_path / "conftest.py").write_text("", encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--loom-target={shop}", *names],
            cwd=tmp_path,
            env=environment(tmp_path) | {"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 0, result.stdout
    written = sum(len(re.findall(r"^(?:async )?def test_", part, re.MULTILINE)) for part in parts)
    assert f"{written} passed" in result.stdout
