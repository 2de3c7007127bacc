"""Files that are uploaded from the page while Loom runs."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from loom.errors import LoomError

from .descriptor_index import DescriptorIndex, MemorySource
from .local_files import load_descriptor_sets, load_protos

MAX_FILES = 2_000
MAX_BYTES = 32 * 1024 * 1024
_MAX_NAME = 500  # characters
_MAX_PART = 255  # bytes between two slashes; common file systems take no more


class UploadError(LoomError):
    """An upload is refused."""


@dataclass(slots=True)
class Uploads:
    """The uploaded files by name, at most ``max_files`` of ``max_bytes`` in sum, and the source that they make up."""

    files: dict[str, bytes] = field(default_factory=dict)
    source: MemorySource | None = None
    max_files: int = MAX_FILES
    max_bytes: int = MAX_BYTES

    def add(self, files: Mapping[str, bytes]) -> None:
        """Add files, replacing those of the same name; :class:`UploadError` adds none of them."""
        merged = self.files | {check_name(name): content for name, content in files.items()}
        if len(merged) > self.max_files:
            raise UploadError(
                f"more than {self.max_files} files are attached: pass them with --proto instead"
            )
        if sum(map(len, merged.values())) > self.max_bytes:
            raise UploadError(
                f"more than {self.max_bytes} bytes are attached: pass them with --proto instead"
            )
        self.files = merged


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


def load_uploads(files: Mapping[str, bytes]) -> tuple[DescriptorIndex, list[str]]:
    """The descriptors of uploaded files, and a line for each file that cannot be used."""
    with tempfile.TemporaryDirectory(prefix="loom-attached-") as folder:
        root = Path(folder)
        descriptor_sets: list[Path] = []
        has_protos = False
        unwritten: list[str] = []
        for name, content in files.items():
            path = root / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            except OSError as error:  # such as a name that is a folder of another's; the other files are used
                unwritten.append(f"{name}: {error.strerror}")
                continue
            if path.suffix == ".proto":
                has_protos = True
            else:
                descriptor_sets.append(path)
        index, problems = load_descriptor_sets(descriptor_sets)
        if has_protos:
            compiled, proto_problems = load_protos([root])
            index.add(compiled.by_name.values(), "attached")
            problems += proto_problems
        problems += unwritten
        return index, [problem.replace(f"{root}/", "") for problem in problems]
