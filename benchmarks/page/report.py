"""The figures as a section of docs/performance.md, between markers, so that the rest of the file is left alone."""

from pathlib import Path

BEGIN, END = "<!-- page: begin -->", "<!-- page: end -->"


def write(file: Path, section: str) -> None:
    """Replace the section, or append it."""
    text = file.read_text() if file.exists() else "# Performance\n"
    marked = f"{BEGIN}\n{section.strip()}\n{END}"
    if BEGIN in text and END in text:
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        text = head + marked + tail
    else:
        text = f"{text.rstrip()}\n\n{marked}\n"
    file.write_text(text)
