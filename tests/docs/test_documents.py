"""Checks of the documents: links and anchors resolve, paragraphs wrap at 120 columns."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (".", ".github", "benchmarks", "examples")
DOCS = ROOT / "docs"
DOCUMENTS = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.md"))] + sorted(
    DOCS.rglob("*.md")
)
REPOSITORY = re.compile(
    r"https://(?:github\.com/loom-grpc/loom/(?:blob|tree)|raw\.githubusercontent\.com/loom-grpc/loom)/main/"
)
"""What precedes the path of a file of this repository in an absolute link."""
COLUMNS = 120
README_LINES = 40
PICTURE_BYTES = 300_000
_FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?:\]\(|^\[[^\]]+\]: )([^)\s]+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_EXEMPT = re.compile(
    r"^ *\||^!\[|^\[[^\]]+\]: |^<!--"
)  # tables, pictures, comments: one line each, however long

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@cache
def _prose(document: Path) -> str:
    """The text of a document with its fenced code blanked; line numbers stay."""
    text = document.read_text(encoding="utf-8")
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


@cache
def anchors(document: Path) -> frozenset[str]:
    """The anchors that GitHub gives a document's headings: lower case, punctuation dropped, spaces as hyphens."""
    found: set[str] = set()
    for heading in _HEADING.findall(_prose(document)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)  # a link shows as its text
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = 0
        while (candidate := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(candidate)
    return frozenset(found)


def broken_links(document: Path) -> list[str]:
    """Links of a document, relative or into the repository, whose file or heading does not exist."""
    broken = []
    for link in _LINK.findall(_prose(document)):
        folder = document.parent
        path, _, anchor = link.partition("#")
        if (url := REPOSITORY.match(path)) is not None:
            folder, path = ROOT, path[url.end() :]
        elif "://" in link or link.startswith("mailto:"):
            continue
        target = (folder / path).resolve() if path else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    return broken


def long_lines(document: Path) -> list[str]:
    """Lines of prose over 120 columns, with their numbers."""
    return [
        f"{number}: {line}"
        for number, line in enumerate(_prose(document).splitlines(), 1)
        if len(line) > COLUMNS and not _EXEMPT.match(line) and not _is_one_word(line)
    ]


def _is_one_word(line: str) -> bool:
    """Whether a line could not be broken: a long link or code span."""
    return " " not in re.sub(r"^(?:[-*]|\d+\.) ", "", line.strip())


@documents
def test_links_and_anchors_resolve(document: Path) -> None:
    assert broken_links(document) == []


@documents
def test_paragraphs_wrap(document: Path) -> None:
    assert long_lines(document) == []


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.is_relative_to(DOCS)], ids=lambda path: path.name
)
def test_no_link_leaves_the_folder_of_the_documents(document: Path) -> None:
    """Outside of the repository, on the site, such a link leads nowhere: it is to be absolute."""
    links = [link.partition("#")[0] for link in _LINK.findall(_prose(document)) if "://" not in link]
    assert [link for link in links if not (document.parent / link).resolve().is_relative_to(DOCS)] == []


def test_links_and_pictures_of_the_readme_work_on_a_package_index() -> None:
    """There, nothing is beside it: every address is absolute."""
    links = _LINK.findall(_prose(ROOT / "README.md"))
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_every_document_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    listed = {link.partition("#")[0] for link in _LINK.findall(index)}
    assert {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"README.md"} <= listed


def test_every_picture_is_shown_and_small() -> None:
    shown = {
        (document.parent / link).resolve()
        for document in DOCUMENTS
        for link in _LINK.findall(_prose(document))
    }
    for picture in (DOCS / "images").iterdir():
        assert picture.resolve() in shown
        assert picture.stat().st_size <= PICTURE_BYTES


def test_documents_that_messages_and_code_name_exist() -> None:
    named = {
        path
        for folder, suffix in (("loom", "*.py"), ("web/src", "*.ts"), ("web/src", "*.svelte"))
        for source in (ROOT / folder).rglob(suffix)
        for path in re.findall(r"(?<![/\w])docs/[\w/-]+\.(?:md|json)", source.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []


def test_the_checks_find_faults(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A heading, with `code`\n\n# Twice\n\n# Twice\n", encoding="utf-8")
    document = tmp_path / "document.md"
    document.write_text(
        "[a](other.md#a-heading-with-code) [b](other.md#twice-1) [c](other.md#gone) [d](gone.md)\n"
        "[f](https://github.com/loom-grpc/loom/blob/main/GONE.md) [g](https://example.com/gone.md)\n"
        f"\n{'word ' * 30}\n\n| {'cell ' * 30} |\n\n```text\n{'code ' * 30}\n[e](gone.md)\n```\n",
        encoding="utf-8",
    )
    assert broken_links(document) == [
        "other.md#gone",
        "gone.md",
        "https://github.com/loom-grpc/loom/blob/main/GONE.md",
    ]
    assert [line.partition(":")[0] for line in long_lines(document)] == ["4"]
