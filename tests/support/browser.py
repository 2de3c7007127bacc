"""Finds a Chromium for the tests of the page, or installs one: ``python -m tests.support.browser``.

In this order: what ``LOOM_TEST_BROWSER`` names, one on the PATH, the one that Playwright downloads,
the distribution's (as root, with apt-get). Tests of the page are never skipped for lack of a browser.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "LOOM_TEST_BROWSER"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


class NoBrowserError(Exception):
    """There is none, and none could be installed."""


def arguments() -> list[str]:
    """What Chromium is started with; as root it refuses to run in its sandbox."""
    quiet = [
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*quiet, "--no-first-run", "--no-sandbox"] if as_root else [*quiet, "--no-first-run"]


def find() -> Path | None:
    """A browser that is there already and starts."""
    return next((path for path in _candidates() if _starts(path)), None)


def _candidates() -> Iterator[Path]:
    named = os.environ.get(VARIABLE)
    if named:
        yield Path(named)
        return
    yield from (Path(found) for name in _NAMES if (found := shutil.which(name)))
    yield _MAC
    yield _playwrights_own()


def _starts(path: Path) -> bool:
    """One that was downloaded may lack libraries of the system."""
    if not path.is_file():
        return False
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


def find_or_install() -> Path:
    """Raises :class:`NoBrowserError`, whose text says what was tried."""
    found = find()
    if found:
        return found
    tried = []
    for command in _installers():
        print("installing a browser:", " ".join(command), flush=True)
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        found = find()
        if done.returncode == 0 and found:
            return found
        tried.append(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-300:]}")
    raise NoBrowserError(
        f"the tests of the page need Chromium: install it, or name one in {VARIABLE}; tried:\n"
        + "\n".join(tried)
    )


def _installers() -> list[list[str]]:
    commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        commands += [
            ["apt-get", "update"],
            ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"],
        ]
    return commands


def _playwrights_own() -> Path:
    """Asked in a process of its own: Playwright may be at work in this one already."""
    script = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as playwright: print(playwright.chromium.executable_path)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip())


if __name__ == "__main__":
    try:
        find_or_install()
    except NoBrowserError as error:
        sys.exit(str(error))
