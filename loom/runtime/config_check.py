"""Checks of a configuration: everything that a start would find, and nothing is bound, written or connected to."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from loom.errors import LoomError
from loom.proxy.certificate_dates import Validity, leaf_validity, root_validities
from loom.proxy.startup_checks import check_resolvable, check_server_tls, check_target_tls
from loom.sessions import sessions_directory

from . import wiring
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a configuration; Loom starts in spite of one that is not ``fatal``."""

    text: str
    fatal: bool = True


async def check_configuration(settings: Settings) -> AsyncIterator[Problem]:
    """Yield the problems of settings that could be loaded."""
    for find in (_target_problems, _start_failures, _date_problems, _file_problems, _rule_problems):
        for problem in await asyncio.to_thread(find, settings):
            yield problem
    local = wiring.local_files(settings)
    await local.load()
    for source in local.sources:
        for text in source.problems:
            yield Problem(f"{source.name}: {text}", fatal=False)


def _target_problems(settings: Settings) -> list[Problem]:
    try:
        check_resolvable(settings.target)
    except LoomError as error:
        # Loom starts, and resolves the name again every second.
        return [] if settings.demo else [Problem(str(error), fatal=False)]
    return []


def _start_failures(settings: Settings) -> list[Problem]:
    """The errors with which a start would end."""
    problems = []
    for check in (_check_listening, _check_certificates_to_listen, _check_certificates_to_target):
        try:
            check(settings)
        except LoomError as error:
            problems.append(Problem(str(error)))
    return problems


def _file_problems(settings: Settings) -> list[Problem]:
    """Files and folders that could not be written."""
    problems = []
    if settings.log is not None and not _is_writable(settings.log):
        problems.append(Problem(f"--log {settings.log}: cannot be written"))
    if settings.session is not None:
        directory = sessions_directory(settings.data_dir)
        if not _is_writable(directory):
            problems.append(Problem(f"{directory}: cannot be written, nothing would be kept", fatal=False))
    return problems


def _check_listening(settings: Settings) -> None:
    check_resolvable(settings.listen, setting="--listen")
    if settings.ui is not None:
        check_resolvable(settings.ui, setting="--ui")


def _check_certificates_to_listen(settings: Settings) -> None:
    tls = wiring.server_tls(settings)
    if tls is not None:
        check_server_tls(tls)


def _check_certificates_to_target(settings: Settings) -> None:
    tls = wiring.target_tls(settings)
    if tls is not None:
        check_target_tls(tls)


def _rule_problems(settings: Settings) -> list[Problem]:
    try:
        rules = wiring.rules(settings, wiring.rule_sources(settings))
    except LoomError as error:
        return [Problem(str(error))]
    return [Problem(warning, fatal=False) for warning in rules.warnings]


def _date_problems(settings: Settings) -> list[Problem]:
    """Certificates that are not valid now, or not for long. Files that cannot be read have been reported."""
    now = time.time()
    problems = []
    for setting, cert, key, of_client in (
        ("--listen-cert", settings.listen_cert, settings.listen_key, False),
        ("--cert", settings.cert, settings.key, True),
    ):
        if cert is None or key is None:
            continue
        try:
            validity = leaf_validity(str(cert), str(key), of_client=of_client)
        except (OSError, ssl.SSLError):
            continue
        problems += _date_problem(setting, cert, validity, now)
    for setting, roots in (("--cacert", settings.cacert), ("--listen-client-ca", settings.listen_client_ca)):
        if roots is None:
            continue
        try:
            validities = root_validities(roots.read_bytes())
        except (OSError, ssl.SSLError):
            continue
        for validity in validities:
            problems += _date_problem(setting, roots, validity, now)
    return problems


def _date_problem(setting: str, file: Path, validity: Validity, now: float) -> list[Problem]:
    text = validity.problem(now)
    # Loom starts with such a certificate too: its peers refuse it.
    return (
        [Problem(f"{setting} {file}: the certificate {text}", fatal=not validity.is_valid(now))]
        if text
        else []
    )


def _is_writable(path: Path) -> bool:
    """Whether the path can be written or, where it does not exist, be created."""
    if path.exists():
        return os.access(path, os.W_OK)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    return folder.is_dir() and os.access(folder, os.W_OK)
