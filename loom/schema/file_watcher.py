"""Sources of local files that are reloaded when the files change."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import awatch

from .descriptor_index import MemorySource
from .local_files import DESCRIPTOR_SETS, PROTO_FILES, load_descriptor_sets, load_protos

_log = logging.getLogger(__name__)


class LocalSources:
    """The sources of ``--proto`` and ``--protoset``: loaded by :meth:`load`, reloaded by :meth:`watch`."""

    def __init__(
        self, protos: Sequence[Path], import_paths: Sequence[Path], descriptor_sets: Sequence[Path]
    ) -> None:
        self._protos = list(protos)
        self._import_paths = list(import_paths)
        self._descriptor_sets = list(descriptor_sets)
        self._proto_source = MemorySource(PROTO_FILES)
        self._descriptor_set_source = MemorySource(DESCRIPTOR_SETS)

    @property
    def sources(self) -> list[MemorySource]:
        """The sources that have files, in order of precedence."""
        return [
            *([self._proto_source] if self._protos else []),
            *([self._descriptor_set_source] if self._descriptor_sets else []),
        ]

    async def load(self) -> None:
        """Load all files; those that cannot be used are logged and named in the sources' ``problems``."""
        if self._protos:
            self._proto_source.replace(
                *await asyncio.to_thread(load_protos, self._protos, self._import_paths)
            )
        if self._descriptor_sets:
            self._descriptor_set_source.replace(
                *await asyncio.to_thread(load_descriptor_sets, self._descriptor_sets)
            )
        for source in self.sources:
            for problem in source.problems:
                _log.warning("%s: %s", source.name, problem)

    async def watch(self, changed: Callable[[], None]) -> None:
        """Reload the files whenever they change and then call ``changed``, until cancelled."""
        files = {path.resolve() for path in (*self._protos, *self._descriptor_sets) if path.is_file()}
        # A file is watched through its folder: editors replace files rather than write to them.
        folders = {path.parent for path in files}
        trees = {path.resolve() for path in (*self._protos, *self._import_paths) if path.is_dir()}

        def is_relevant(_: object, name: str) -> bool:
            path = Path(name)
            in_tree = path.suffix == ".proto" and any(path.is_relative_to(tree) for tree in trees)
            return in_tree or path in files

        async def follow(paths: set[Path], *, recursive: bool) -> None:
            async for _ in awatch(*paths, watch_filter=is_relevant, recursive=recursive):
                await self.load()
                changed()

        async with asyncio.TaskGroup() as group:
            for paths, recursive in ((folders, False), (trees, True)):
                if paths:
                    group.create_task(follow(paths, recursive=recursive))
