"""The reference part of docs/configuration.md, out of the settings; a test compares the two."""

import sys
from pathlib import Path

from loom.runtime.settings import Option, Section, options

BEGIN = "<!-- reference: written by 'make docs' -->"
END = "<!-- end of reference -->"


def reference() -> str:
    """Markdown: one table per heading, one row per setting."""
    return "\n\n".join(f"## {section}\n\n{_table(section)}" for section in Section) + "\n"


def refreshed(document: str) -> str:
    """The document with the part between the marks made anew."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def _table(section: Section) -> str:
    rows = [_row(option) for option in options() if option.section is section]
    head = "| flag | variable | key in loom.toml | default | what it is |\n| --- | --- | --- | --- | --- |\n"
    return head + "\n".join(rows)


def _row(option: Option) -> str:
    value = "" if option.form.switch else f" {option.form.metavar}"
    flag = f"`{option.flag}{value}`"
    if option.negative:
        flag += f", `{option.negative}`"
    many = " May be repeated; an array in the file." if option.form.many else ""
    allowed = "" if option.form.switch else f" {option.form.allowed[0].upper()}{option.form.allowed[1:]}."
    default = option.default_text or (f"`{option.shown_default}`" if option.shown_default else "")
    cells = (flag, f"`{option.variable}`", f"`{option.key}`", default, f"{option.help}{many}{allowed}")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: list[str]) -> None:
    """Write the reference anew into each of these files."""
    for argument in arguments:
        document = Path(argument)
        document.write_text(refreshed(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
