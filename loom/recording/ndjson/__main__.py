"""``python -m loom.recording.ndjson > docs/reference/format.schema.json``: the format's JSON Schema."""

import json
import sys

from .lines import json_schema

sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
