"""Checks that the installed grpcio has the private API that the facade needs.

grpcio promises nothing for ``grpc._cython.cygrpc``. A name that is gone or a signature that has changed is found here,
before a port is opened, and not by a call in flight. Nothing is called, so a change of behaviour behind an unchanged
signature is not found: the tests run against the oldest and the newest grpcio that Loom allows.
"""

import inspect

import grpc

from loom.errors import StartError

TESTED_VERSIONS = "1.84 to 1.85"
"""The grpcio releases that the facade is tested with."""

_OPERATIONS: dict[str, tuple[str, ...]] = {
    "SendInitialMetadataOperation": (),
    "SendMessageOperation": (),
    "SendCloseFromClientOperation": (),
    "SendStatusFromServerOperation": (),
    "ReceiveInitialMetadataOperation": ("initial_metadata",),
    "ReceiveMessageOperation": ("message",),
    "ReceiveStatusOnClientOperation": ("code", "details", "trailing_metadata"),
    "ReceiveCloseOnServerOperation": ("cancelled",),
}

_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    **_OPERATIONS,
    "BatchOperationEvent": ("tag", "success", "batch_operations"),
    "RequestCallEvent": ("tag", "success", "call", "call_details", "invocation_metadata"),
    "CallDetails": ("method", "host", "deadline"),
    "Call": ("peer", "start_server_batch"),
    "IntegratedCall": ("operate", "cancel"),
    "CompletionType": ("queue_shutdown",),
    "CompletionQueue": ("poll", "shutdown"),
    "Channel": ("integrated_call", "next_call_event", "check_connectivity_state", "close_on_fork"),
    "Server": (
        "register_completion_queue", "add_http2_port", "start", "request_call", "shutdown",
        "cancel_all_calls", "destroy",
    ),
}  # fmt: skip
"""Classes of ``cygrpc``, and the attributes of each that are used."""

_PARAMETERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Channel", "integrated_call"): (
        "flags", "method", "host", "deadline", "metadata", "credentials", "operationses_and_tags",
    ),
    ("Channel", "next_call_event"): (),
    ("Channel", "check_connectivity_state"): ("try_to_connect",),
    ("Channel", "close_on_fork"): ("code", "details"),
    ("IntegratedCall", "operate"): ("operations", "tag"),
    ("IntegratedCall", "cancel"): ("code", "details"),
    ("Call", "peer"): (),
    ("Call", "start_server_batch"): ("operations", "tag"),
    ("CompletionQueue", "poll"): (),
    ("CompletionQueue", "shutdown"): (),
    ("Server", "register_completion_queue"): ("queue",),
    ("Server", "add_http2_port"): ("address", "server_credentials"),
    ("Server", "start"): ("backup_queue",),
    ("Server", "request_call"): ("call_queue", "server_queue", "tag"),
    ("Server", "shutdown"): ("queue", "tag"),
    ("Server", "cancel_all_calls"): (),
    ("Server", "destroy"): (),
}  # fmt: skip
"""The parameters that the facade passes to a method, in order; further ones must have defaults."""


def check_compatibility(cygrpc: object) -> None:
    """Raise :class:`StartError` if ``cygrpc`` lacks what the facade uses."""
    problems = find_incompatibilities(cygrpc)
    if problems:
        raise StartError(
            f"grpcio {grpc.__version__} does not fit the relay engine ({', '.join(problems)}): "
            f"install grpcio {TESTED_VERSIONS}, or start Loom with --engine wire"
        )


def find_incompatibilities(cygrpc: object) -> list[str]:
    """Name the classes, attributes and signatures that ``cygrpc`` lacks."""
    problems = []
    for name, attributes in _ATTRIBUTES.items():
        owner = getattr(cygrpc, name, None)
        if not isinstance(owner, type):
            problems.append(f"no {name}")
            continue
        problems += [f"no {name}.{attribute}" for attribute in attributes if not hasattr(owner, attribute)]
    for (name, method), parameters in _PARAMETERS.items():
        function = getattr(getattr(cygrpc, name, None), method, None)
        if function is not None and not _accepts(function, parameters):
            problems.append(f"another signature of {name}.{method}")
    problems += [
        f"no {kind.__name__}._credentials"
        for kind in (grpc.ChannelCredentials, grpc.ServerCredentials)
        if not hasattr(kind(None), "_credentials")
    ]
    return problems


def _accepts(function: object, parameters: tuple[str, ...]) -> bool:
    """Whether ``function`` takes these arguments by position; true if it has no signature to inspect."""
    try:
        actual = list(inspect.signature(function).parameters.values())[1:]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return True
    return tuple(parameter.name for parameter in actual[: len(parameters)]) == parameters and all(
        parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD
        for parameter in actual[len(parameters) :]
    )
