"""``python -m loom.api``: write what is generated from the structures, in a checkout."""

import sys
from pathlib import Path

from .generation import generated_files


def main() -> None:
    root = Path(sys.argv[1]) if sys.argv[1:] else Path.cwd()
    for name, content in generated_files(root).items():
        (root / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
