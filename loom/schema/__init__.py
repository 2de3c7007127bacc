"""Where descriptors come from (reflection, ``.proto`` files, descriptor sets).

* :mod:`~loom.schema.schema`: the face: which method is this, which message type is that.
* :mod:`~loom.schema.stored`: parses descriptor sets that were stored with calls.
* :mod:`~loom.schema.source`: what a source is; a set of files and where it came from.
* :mod:`~loom.schema.reflection`, :mod:`~loom.schema.reflection_stream`: asks the target (v1, then v1alpha).
* :mod:`~loom.schema.descriptor_index`: descriptors in memory, found by what they define.
* :mod:`~loom.schema.local_files`: ``.proto`` files and descriptor sets on this machine.
* :mod:`~loom.schema.file_watcher`: reads them again when they change.
* :mod:`~loom.schema.uploads`: files that somebody attaches from the page.
* :mod:`~loom.schema.protoc`: compiles ``.proto`` files, no compiler to install.
* :mod:`~loom.schema.linker`: files become descriptors; what is missing or broken is named.
* :mod:`~loom.schema.repair`: mends files that no compiler wrote.
* :mod:`~loom.schema.outline`: what a schema says, as a person reads it.
* :mod:`~loom.schema.single_flight`: many who want one thing fetch it once.
"""

from .descriptor_index import DescriptorIndex, MemorySource
from .file_watcher import LocalSources
from .linker import LinkedDescriptorSet
from .outline import outline
from .protoc import ProtocError, compile_protos
from .schema import Schema
from .source import DescriptorSet, Method, Provenance, SchemaError, Source
from .stored import parse_stored
from .uploads import UploadError

__all__ = [
    "DescriptorIndex",
    "DescriptorSet",
    "LinkedDescriptorSet",
    "LocalSources",
    "MemorySource",
    "Method",
    "ProtocError",
    "Provenance",
    "Schema",
    "SchemaError",
    "Source",
    "UploadError",
    "compile_protos",
    "outline",
    "parse_stored",
]
