"""Asks a Loom's API from outside, as any HTTP client would."""

import http.client
import json
from typing import Any


def fetch(address: str, path: str) -> bytes:
    """The body of a GET that is answered with 200."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        return response.read()
    finally:
        connection.close()


def fetch_json(address: str, path: str) -> Any:
    return json.loads(fetch(address, path))
