"""The rules of files and flags, read again when the files change."""

import asyncio
from pathlib import Path

import pytest

from loom.interception import RuleFileError, RuleSet
from loom.interception.rule_sources import RuleSources

from .conftest import write_rules

RULE = '[[rule]]\nname = "a"\nmatch = "method:Get"\ndo = [{ hold = true }]\n'


def test_files_come_before_flags(tmp_path: Path) -> None:
    rules = RuleSources([write_rules(tmp_path, RULE)], ["method:Get :: hang"], 7).load()
    assert [active.rule.name for active in rules.active] == ["a", "--fault 1"]
    assert rules.seed == 7


def test_a_flag_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError, match="--fault 'method:Get': write a filter"):
        RuleSources([write_rules(tmp_path, RULE)], ["method:Get"], 7).load()


async def test_a_file_that_becomes_unreadable_leaves_the_rules_in_force(tmp_path: Path) -> None:
    path = write_rules(tmp_path, RULE)
    sources = RuleSources([path], [], 7)
    current = sources.load()
    current.active[0].state.acted = 5
    loaded: list[RuleSet] = []
    write_rules(tmp_path, "[[rule]")
    await sources.reload(lambda: current, loaded.append)
    assert loaded == []
    assert sources.problem.startswith(f"{path}: not valid TOML")
    write_rules(tmp_path, RULE + RULE.replace('"a"', '"b"'))
    await sources.reload(lambda: current, loaded.append)
    assert sources.problem == ""
    assert [active.state.acted for active in loaded[0].active] == [5, 0]


async def test_a_change_of_the_file_is_noticed(tmp_path: Path) -> None:
    path = write_rules(tmp_path, RULE)
    sources = RuleSources([path], [], 7)
    current = sources.load()
    replaced: asyncio.Queue[RuleSet] = asyncio.Queue()
    watcher = asyncio.create_task(sources.watch(lambda: current, replaced.put_nowait))
    try:
        for number in range(200):  # until the watcher, which says nothing when it is ready, has noticed one
            write_rules(tmp_path, RULE.replace('"a"', f'"r{number}"'))
            try:
                async with asyncio.timeout(0.3):
                    rules = await replaced.get()
                break
            except TimeoutError:
                continue
        assert rules.active[0].rule.name.startswith("r")
    finally:
        watcher.cancel()
