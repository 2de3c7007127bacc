"""The grpcurl command that sends a recorded call again.

* :mod:`~loom.grpcurl.command`: the command's text.
* :mod:`~loom.grpcurl.dialect`: protobuf JSON as grpcurl reads it.
* :mod:`~loom.grpcurl.endpoint`: where exported calls are sent.
* :mod:`~loom.grpcurl.command_builder`: what a running Loom knows of address, TLS and schema.
"""
