"""All files that are generated from the structures."""

from pathlib import Path

import msgspec

from .openapi import openapi
from .reference import fill
from .typescript import typescript

OPENAPI = "docs/reference/openapi.json"
TYPES = "web/src/api/types.ts"
REFERENCE = "docs/reference/api.md"


def generated_files(root: Path) -> dict[str, str]:
    """Content by path, of the checkout at ``root``."""
    document = msgspec.json.format(msgspec.json.encode(openapi()), indent=2).decode()
    return {
        OPENAPI: f"{document}\n",
        TYPES: typescript(),
        REFERENCE: fill((root / REFERENCE).read_text(encoding="utf-8")),
    }
