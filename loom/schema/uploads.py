"""Files that are uploaded from the page while Loom runs."""

import asyncio
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath

from loom.errors import LoomError

from .compilation import load_files
from .descriptor_index import MemorySource

UPLOADED_FILES = "attached files"
"""The name of the source."""
MAX_FILES = 2_000
MAX_BYTES = 32 * 1024 * 1024
_MAX_NAME = 500  # characters
_MAX_PART = 255  # bytes between two slashes; common file systems take no more
_TIMEOUT = 60.0


class UploadError(LoomError):
    """An upload is refused."""


class Uploads:
    """The uploaded files by name, at most ``max_files`` of ``max_bytes`` in sum, and the source that they make up."""

    def __init__(self, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> None:
        self.source = MemorySource(UPLOADED_FILES)
        self._files: dict[str, bytes] = {}
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._lock = asyncio.Lock()

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each file in bytes, by name."""
        return {name: len(content) for name, content in sorted(self._files.items())}

    async def add(self, files: Mapping[str, bytes]) -> None:
        """Add files, replacing those of the same name; :class:`UploadError` adds none of them."""
        checked = {check_name(name): content for name, content in files.items()}
        await self._change(lambda current: current | checked)

    async def remove(self, names: Collection[str] | None) -> None:
        """Remove files; all with None. Names that are not there are ignored."""
        await self._change(
            lambda current: {
                name: content for name, content in current.items() if names is not None and name not in names
            }
        )

    async def _change(self, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> None:
        async with self._lock:  # what is loaded last is what was uploaded last
            files = change(self._files)
            self._check(files)
            with tempfile.TemporaryDirectory(prefix="loom-attached-") as folder:
                root = Path(folder)
                failures = await asyncio.to_thread(_write, root, files)
                names = [name for name in files if name not in failures]
                loaded = await load_files(
                    [root] if any(name.endswith(".proto") for name in names) else [],
                    descriptor_sets=[root / name for name in names if not name.endswith(".proto")],
                    uploaded=True,
                    timeout=_TIMEOUT,
                )
            self._files = files
            prefix = f"{root}/"
            for index in (index for part in loaded for index in part.indexes):
                index.origins = {name: origin.removeprefix(prefix) for name, origin in index.origins.items()}
            protos, descriptor_sets = loaded
            self.source.replace(
                [*descriptor_sets.indexes, *protos.indexes],
                [
                    *(problem.replace(prefix, "") for problem in descriptor_sets.problems + protos.problems),
                    *(f"{name}: {reason}" for name, reason in failures.items()),
                ],
            )

    def _check(self, files: Mapping[str, bytes]) -> None:
        if len(files) > self._max_files:
            raise UploadError(
                f"more than {self._max_files} files are attached: remove some, or pass them with --proto instead"
            )
        if sum(map(len, files.values())) > self._max_bytes:
            raise UploadError(
                f"more than {self._max_bytes} bytes are attached: remove some, or pass them with --proto instead"
            )


def check_name(name: str) -> str:
    """A name that is safe below a folder of our own; raises :class:`UploadError` for any other."""
    path = PurePosixPath(name.replace("\\", "/"))
    is_relative = path.parts and not path.is_absolute() and ".." not in path.parts
    if not is_relative or not name.isprintable():
        raise UploadError(f"{name!r} is not a relative file name: use one such as acme/shop/v1/shop.proto")
    if len(name) > _MAX_NAME or any(len(part.encode()) > _MAX_PART for part in path.parts):
        raise UploadError(
            f"the name {name[:50]!r}… is too long: {_MAX_PART} bytes between slashes, {_MAX_NAME} characters in all"
        )
    return str(path)


def _write(root: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write files below a folder; those that cannot be written, each with the reason."""
    failures: dict[str, str] = {}
    for name, content in files.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:  # such as a name that is a folder of another's
            failures[name] = error.strerror or str(error)
    return failures
