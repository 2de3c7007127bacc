"""Asks a Loom's API from outside, as any HTTP client would."""

import http.client
import json
from typing import Any


def fetch(address: str, path: str) -> bytes:
    """The body of a GET that is answered with 200."""
    status, body = _get(address, path)
    assert status == 200, body
    return body


def fetch_status(address: str, path: str) -> int:
    """The status code of a GET."""
    return _get(address, path)[0]


def _get(address: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def fetch_json(address: str, path: str) -> Any:
    return json.loads(fetch(address, path))
