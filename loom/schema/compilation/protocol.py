"""The messages between Loom and the process that loads its schema files."""

import msgspec


class LoadRequest(msgspec.Struct):
    """Load these files. ``uploaded``: they are in a folder of their own, outside of which nothing is searched."""

    protos: list[str]
    import_paths: list[str]
    descriptor_sets: list[str]
    uploaded: bool = False


class LoadedFile(msgspec.Struct, array_like=True):
    """A serialised ``FileDescriptorProto`` with what an index needs of it.

    ``services`` and ``types`` are full names of what it defines outermost; ``extended`` are the messages that it
    extends.
    """

    name: str
    origin: str
    data: bytes
    services: list[str]
    types: list[str]
    extended: list[str]


class LoadResponse(msgspec.Struct):
    """The files of each unit; within a unit no symbol is defined twice. ``problems`` name what cannot be used."""

    protos: list[list[LoadedFile]] = []
    proto_problems: list[str] = []
    descriptor_sets: list[list[LoadedFile]] = []
    descriptor_set_problems: list[str] = []


request_decoder = msgspec.msgpack.Decoder(LoadRequest)
response_decoder = msgspec.msgpack.Decoder(LoadResponse)
