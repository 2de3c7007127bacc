"""Generate the reference in docs/reference/configuration.md from the settings; a test checks that it is current."""

import sys
from pathlib import Path

from loom.runtime.settings import Option, Section, options

BEGIN = "<!-- reference: written by 'make docs' -->"
END = "<!-- end of reference -->"


def reference() -> str:
    """Return Markdown: a table per section, a row per setting."""
    return "\n\n".join(f"## {section}\n\n{_table(section)}" for section in Section) + "\n"


def update(document: str) -> str:
    """Return the document with the text between the marks replaced by the current reference."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def _table(section: Section) -> str:
    rows = [_row(option) for option in options() if option.spec.section is section]
    header = "| flag | variable | key | default | description |\n| --- | --- | --- | --- | --- |\n"
    return header + "\n".join(rows)


def _row(option: Option) -> str:
    value = "" if option.type.is_switch else f" {option.type.metavar}"
    flag = f"`{option.flag}{value}`"
    if option.negative_flag:
        flag += f", `{option.negative_flag}`"
    description = option.spec.help
    if option.type.multiple:
        description += " May be repeated; an array in the file."
    if not option.type.is_switch:
        description += f" Value: {option.type.description}."
    default = option.spec.default_help or (f"`{option.default_text}`" if option.default_text else "")
    cells = (flag, f"`{option.variable}`", f"`{option.key}`", default, description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: list[str]) -> None:
    """Update the reference in each of these files."""
    for argument in arguments:
        document = Path(argument)
        document.write_text(update(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
