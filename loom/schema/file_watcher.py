"""Local files as sources that follow what is on disk."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import awatch

from .descriptor_index import MemorySource
from .local_files import PROTO_FILES, PROTOSETS, load_descriptor_sets, load_protos

_log = logging.getLogger(__name__)


class LocalSources:
    """The ``--proto`` and ``--protoset`` files: two sources, read by :meth:`load` and again whenever they change."""

    def __init__(
        self, protos: Sequence[Path], import_paths: Sequence[Path], protosets: Sequence[Path]
    ) -> None:
        self._protos = list(protos)
        self._import_paths = list(import_paths)
        self._protosets = list(protosets)
        self._proto_source = MemorySource(PROTO_FILES)
        self._protoset_source = MemorySource(PROTOSETS)

    @property
    def sources(self) -> list[MemorySource]:
        """Those that there are files for, in the order in which they are asked."""
        return [
            *([self._proto_source] if self._protos else []),
            *([self._protoset_source] if self._protosets else []),
        ]

    async def load(self) -> None:
        """Read everything; what cannot be used is in the sources' ``problems``, and in the log."""
        if self._protos:
            self._proto_source.replace(
                *await asyncio.to_thread(load_protos, self._protos, self._import_paths)
            )
        if self._protosets:
            self._protoset_source.replace(*await asyncio.to_thread(load_descriptor_sets, self._protosets))
        for source in self.sources:
            for problem in source.problems:
                _log.warning("%s: %s", source.name, problem)

    async def watch(self, changed: Callable[[], None]) -> None:
        """Until cancelled: read again what changes on disk, then call ``changed``."""
        files = {path.resolve() for path in (*self._protos, *self._protosets) if path.is_file()}
        # A file is watched through its folder: editors replace files rather than write to them.
        folders = {path.parent for path in files}
        trees = {path.resolve() for path in (*self._protos, *self._import_paths) if path.is_dir()}

        def concerns(_: object, name: str) -> bool:
            path = Path(name)
            below = path.suffix == ".proto" and any(path.is_relative_to(tree) for tree in trees)
            return below or path in files

        async def follow(paths: set[Path], *, recursive: bool) -> None:
            async for _ in awatch(*paths, watch_filter=concerns, recursive=recursive):
                await self.load()
                changed()

        async with asyncio.TaskGroup() as group:
            for paths, recursive in ((folders, False), (trees, True)):
                if paths:
                    group.create_task(follow(paths, recursive=recursive))
