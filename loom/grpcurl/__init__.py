"""The grpcurl command that sends a recorded call again.

* :mod:`~loom.grpcurl.command`: a decoded call as a command line.
* :mod:`~loom.grpcurl.dialect`: protobuf JSON as grpcurl parses it.
* :mod:`~loom.grpcurl.command_builder`: builds commands with a running Loom's endpoints and schema.
"""
