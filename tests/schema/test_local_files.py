"""Local files are loaded in the background, and again when they change."""

import asyncio
from pathlib import Path

import pytest

from loom.schema import LocalSources, Schema, SchemaError, compile_protos

TEXT = (
    'syntax = "proto3"; package {0}; message M {{ string {1} = 1; }} service S {{ rpc Do(M) returns (M); }}'
)


class Watched:
    """Local files with a task that watches them; ``changes`` counts."""

    def __init__(self, local: LocalSources) -> None:
        self.schema = Schema(local.sources)
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(local.run(self._on_change))

    def _on_change(self) -> None:
        self.schema.clear()
        self._changed.set()

    async def until(self, path: str, field: str) -> None:
        """Wait until a method's request has a field."""
        async with asyncio.timeout(30):
            while True:
                self._changed.clear()
                try:
                    if field in (await self.schema.method(path)).request.fields_by_name:
                        return
                except SchemaError:
                    pass
                await self._changed.wait()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.schema.close()


async def rewritten(path: Path, data: bytes, watched: Watched, method: str, field: str) -> None:
    """Write until it is noticed: the watch takes a moment to begin."""
    async with asyncio.timeout(60):
        noticed = asyncio.create_task(watched.until(method, field))
        while not noticed.done():
            path.write_bytes(data)  # noqa: ASYNC240 (a few bytes)
            await asyncio.wait([noticed], timeout=0.5)
        await noticed


@pytest.mark.parametrize("kind", ["folder", "file", "protoset"])
async def test_changed_files_are_reloaded(tmp_path: Path, kind: str) -> None:
    proto = tmp_path / "a.proto"
    proto.write_text(TEXT.format("a", "before"))
    protoset = tmp_path / "a.protoset"
    protoset.write_bytes(compile_protos([proto]).SerializeToString())
    protos = {"folder": [tmp_path], "file": [proto], "protoset": []}[kind]
    local = LocalSources(protos, [], [] if protos else [protoset])
    watched = Watched(local)
    await watched.until("/a.S/Do", "before")
    newer = tmp_path / "newer" / "a.proto"
    newer.parent.mkdir()
    newer.write_text(TEXT.format("x", "y"))
    after = TEXT.format("a", "after").encode()
    if kind == "protoset":
        newer.write_bytes(after)
        after = compile_protos([newer]).SerializeToString()
    await rewritten(protoset if kind == "protoset" else proto, after, watched, "/a.S/Do", "after")
    await watched.close()


async def test_watching_nothing_returns() -> None:
    await LocalSources([], [], []).run(lambda: None)
