"""``python -m tests.interop [python] [go] [node] [java]``: every fault as clients of four libraries report it.

Each is called through Loom, and directly at a backend that has the faults; what differs is printed. Exits
with 1 if anything does. grpc-java needs a JDK and Maven; without them it is left out.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support import node

from .fault_comparison import call_directly, call_through_loom
from .fault_scenarios import SCENARIOS
from .foreign import GO, GO_SOURCES

HERE = Path(__file__).parent


def _python(_work: Path) -> list[str]:
    return [sys.executable, str(HERE / "fault_client.py")]


def _go(work: Path) -> list[str]:
    subprocess.run([GO, "build", "-o", str(work / "interop"), "."], cwd=GO_SOURCES, check=True)
    return [str(work / "interop"), "faults"]


def _node(_work: Path) -> list[str]:
    return [str(node.NODE), str(node.installed(HERE / "node") / "main.js"), "faults"]


def _java(work: Path) -> list[str]:
    project = work / "java"
    shutil.copytree(HERE / "java", project, ignore=shutil.ignore_patterns("target"))
    subprocess.run(["mvn", "--quiet", "--batch-mode", "package"], cwd=project, check=True)
    return ["java", "-cp", f"{project}/target/interop-1.jar:{project}/target/dependency/*", "Faults"]


CLIENTS: dict[str, Callable[[Path], list[str]]] = {"python": _python, "go": _go, "node": _node, "java": _java}


async def compare(name: str, work: Path) -> int:
    """Print what one client reports otherwise through Loom; how many scenarios differ."""
    command = CLIENTS[name](work)
    directly = await call_directly(command, SCENARIOS)
    through, _ = await call_through_loom(command, SCENARIOS, work)
    different = [scenario.name for scenario in SCENARIOS if through[scenario.name] != directly[scenario.name]]
    for scenario in different:
        print(f"{name}: {scenario}\n  directly {json.dumps(directly[scenario], ensure_ascii=False)}")
        print(f"  through  {json.dumps(through[scenario], ensure_ascii=False)}")
    print(f"{name}: {len(SCENARIOS)} scenarios, {len(different)} differ", flush=True)
    return len(different)


def main() -> int:
    names = sys.argv[1:] or list(CLIENTS)
    if not sys.argv[1:] and not (shutil.which("mvn") and shutil.which("javac")):
        print("java: left out, as there is no JDK with Maven")
        names.remove("java")
    different = 0
    for name in names:
        with tempfile.TemporaryDirectory(prefix="loom-interop-") as work:
            different += asyncio.run(compare(name, Path(work)))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
