"""The sources of ``.proto`` files and descriptor sets on this machine, loaded again when the files change."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import Change, watch

from .compilation import LoadedFiles, load_files
from .descriptor_index import MemorySource

PROTO_FILES, DESCRIPTOR_SETS = "proto files", "descriptor sets"
"""The names of the sources."""
MAX_LOGGED_PROBLEMS = 20

_log = logging.getLogger(__name__)


class LocalSources:
    """The sources of ``--proto`` and ``--protoset``. :meth:`run` loads them in the background and watches the files.

    Until they are loaded, lookups in the sources wait.
    """

    def __init__(
        self, protos: Sequence[Path], import_paths: Sequence[Path], descriptor_sets: Sequence[Path]
    ) -> None:
        self._protos = list(protos)
        self._import_paths = list(import_paths)
        self._descriptor_sets = list(descriptor_sets)
        self._proto_source = MemorySource(PROTO_FILES, is_loading=True)
        self._descriptor_set_source = MemorySource(DESCRIPTOR_SETS, is_loading=True)
        self._loading = asyncio.Lock()
        self._logged: set[str] = set()

    @property
    def sources(self) -> list[MemorySource]:
        """The sources that have files, in order of precedence."""
        return [
            *([self._proto_source] if self._protos else []),
            *([self._descriptor_set_source] if self._descriptor_sets else []),
        ]

    async def load(self) -> None:
        """Load all files; those that cannot be used are logged, once, and named in the sources' ``problems``."""
        if not self.sources:
            return
        async with self._loading:
            protos, descriptor_sets = await load_files(
                self._protos, self._import_paths, self._descriptor_sets
            )
            for source, loaded in (
                (self._proto_source, protos),
                (self._descriptor_set_source, descriptor_sets),
            ):
                source.replace(loaded.indexes, loaded.problems)
                self._log_problems(source.name, loaded)

    async def run(self, changed: Callable[[], None]) -> None:
        """Load the files now and whenever they change, and call ``changed`` each time, until cancelled."""
        files = {path.resolve() for path in (*self._protos, *self._descriptor_sets) if path.is_file()}
        # A file is watched through its folder: editors replace files rather than write to them.
        folders = {path.parent for path in files}
        trees = {path.resolve() for path in (*self._protos, *self._import_paths) if path.is_dir()}

        def is_relevant(_: Change, name: str) -> bool:
            path = Path(name)
            # Links lead out of the trees, so that any .proto file in what is watched counts.
            return (path.suffix == ".proto" and bool(trees)) or path in files

        async def load() -> None:
            await self.load()
            changed()

        async def follow(paths: set[Path], *, recursive: bool) -> None:
            stop = threading.Event()
            # In a thread: to watch a large tree takes a while to begin.
            changes = watch(*paths, watch_filter=is_relevant, recursive=recursive, stop_event=stop)
            try:
                while await asyncio.to_thread(next, changes, None) is not None:
                    await load()
            finally:
                stop.set()

        async with asyncio.TaskGroup() as group:
            if self.sources:
                group.create_task(load())
            for paths, recursive in ((folders, False), (trees, True)):
                if paths:
                    group.create_task(follow(paths, recursive=recursive))

    def _log_problems(self, source: str, loaded: LoadedFiles) -> None:
        """Log the problems that have not been logged before."""
        problems = [problem for problem in loaded.problems if problem not in self._logged]
        for problem in problems[:MAX_LOGGED_PROBLEMS]:
            _log.warning("%s: %s", source, problem)
        if len(problems) > MAX_LOGGED_PROBLEMS:
            _log.warning(
                "%s: and %d more problems: see the Schema tab of a call, or /api/schema",
                source,
                len(problems) - MAX_LOGGED_PROBLEMS,
            )
        self._logged = set(loaded.problems)
