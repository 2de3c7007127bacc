"""Files that somebody attaches while Loom runs, from the page."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from loom.errors import LoomError

from .descriptor_index import DescriptorIndex, MemorySource
from .local_files import load_descriptor_sets, load_protos

MAX_FILES = 2_000
MAX_BYTES = 32 * 1024 * 1024


class UploadError(LoomError):
    """What was attached cannot be taken."""


@dataclass(slots=True)
class Uploads:
    """What was attached so far: content by name, and the source made of it."""

    files: dict[str, bytes] = field(default_factory=dict)
    source: MemorySource | None = None

    def add(self, files: Mapping[str, bytes]) -> None:
        """Take files in, those of the same name anew; :class:`UploadError` takes none."""
        together = self.files | {checked(name): content for name, content in files.items()}
        if len(together) > MAX_FILES:
            raise UploadError(f"more than {MAX_FILES} files are attached: pass them with --proto instead")
        if sum(map(len, together.values())) > MAX_BYTES:
            raise UploadError(f"more than {MAX_BYTES} bytes are attached: pass them with --proto instead")
        self.files = together


def checked(name: str) -> str:
    """A name that may be written below a folder of our own; :class:`UploadError` for any other."""
    path = PurePosixPath(name.replace("\\", "/"))
    plain = path.parts and not path.is_absolute() and ".." not in path.parts
    if not plain or "\0" in name or len(name) > 500:  # noqa: PLR2004 (longer is no file name anywhere)
        raise UploadError(f"{name!r} is not a relative file name: use one such as acme/shop/v1/shop.proto")
    return str(path)


def load_uploads(contents: Mapping[str, bytes]) -> tuple[DescriptorIndex, list[str]]:
    """The descriptors in these files, and a line for each that cannot be used."""
    with tempfile.TemporaryDirectory(prefix="loom-attached-") as folder:
        root = Path(folder)
        protosets: list[Path] = []
        for name, content in contents.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if path.suffix != ".proto":
                protosets.append(path)
        files, problems = load_descriptor_sets(protosets)
        if len(protosets) < len(contents):
            compiled, broken = load_protos([root])
            files.add(compiled.by_name.values(), "attached")
            problems += broken
        return files, [problem.replace(f"{root}/", "") for problem in problems]
