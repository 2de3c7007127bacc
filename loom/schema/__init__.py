"""Where descriptors come from (reflection, ``.proto`` files, descriptor sets).

* :mod:`~loom.schema.schema`: the face: which method is this, which message type is that.
* :mod:`~loom.schema.stored`: a descriptor set as it is stored with calls.
* :mod:`~loom.schema.source`: what a source is; a set of files and where it came from.
* :mod:`~loom.schema.reflection`, :mod:`~loom.schema.reflection_stream`: asks the target (v1, then v1alpha).
* :mod:`~loom.schema.descriptor_set`: descriptors in memory, found by what they define.
* :mod:`~loom.schema.local`: ``.proto`` files and descriptor sets on this machine.
* :mod:`~loom.schema.file_watcher`: reads them again when they change.
* :mod:`~loom.schema.uploads`: files that somebody attaches from the page.
* :mod:`~loom.schema.protoc`: compiles ``.proto`` files, no compiler to install.
* :mod:`~loom.schema.pool`: files become descriptors; what is missing or broken is named.
* :mod:`~loom.schema.repair`: mends files that no compiler wrote.
* :mod:`~loom.schema.outline`: what a schema says, as a person reads it.
* :mod:`~loom.schema.single_flight`: many who want one thing fetch it once.
"""

from .descriptor_set import Files, FileSource
from .file_watcher import LocalFiles
from .outline import Outline, outline
from .pool import Built
from .protoc import ProtocError, compile_protos
from .schema import Schema
from .source import FileSet, Method, Provenance, SchemaError, Source
from .stored import StoredDescriptorSet
from .uploads import AttachError

__all__ = [
    "AttachError",
    "Built",
    "FileSet",
    "FileSource",
    "Files",
    "LocalFiles",
    "Method",
    "Outline",
    "ProtocError",
    "Provenance",
    "Schema",
    "SchemaError",
    "Source",
    "StoredDescriptorSet",
    "compile_protos",
    "outline",
]
