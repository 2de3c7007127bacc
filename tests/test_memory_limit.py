"""The memory limit of the process's cgroup, and budgets within it."""

import sys
from pathlib import Path

import pytest

from loom.memory_limit import budget_problem, history_budget, memory_limit
from tests.support.loom_process import running_loom
from tests.support.memory_cgroup import memory_cgroup

MIB = 2**20


def write(root: Path, **files: str) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize(
    ("cgroups", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "268435456\n"}, 256 * MIB),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "1048576\n"}, MIB),
        ("0::/a\n", {"a/memory.max": "4194304\n", "memory.max": "8388608\n"}, 4 * MIB),
        ("0::/kubepods/pod1/host\n", {"memory.max": "4194304\n"}, 4 * MIB),
        (
            "5:cpu:/\n4:memory:/docker/1\n0::/\n",
            {
                "memory/docker/1/memory.limit_in_bytes": "8388608\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            8 * MIB,
        ),
        ("4:memory:/docker/1\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("4:memory:/docker/1\n", {"memory/memory.limit_in_bytes": "4194304\n"}, 4 * MIB),
    ],
)
def test_the_smallest_limit_of_the_cgroup_and_those_above_it(
    cgroups: str, files: dict[str, str], limit: int | None, tmp_path: Path
) -> None:
    write(tmp_path / "proc/self", cgroup=cgroups)
    write(tmp_path / "sys/fs/cgroup", **files)
    write(tmp_path, **{"memory.max": "1\n", "sys/fs/memory.max": "1\n"})  # outside of the mount
    assert memory_limit(tmp_path) == limit


def test_there_is_no_limit_where_there_are_no_cgroups(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) is None


def test_the_default_budget_fits_into_a_limit() -> None:
    assert history_budget(None, None) == 256 * MIB
    assert history_budget(None, 8192 * MIB) == 256 * MIB
    assert history_budget(None, 256 * MIB) == 64 * MIB
    assert history_budget(900 * MIB, 256 * MIB) == 900 * MIB


def test_a_budget_that_does_not_fit_into_the_limit_is_a_problem() -> None:
    assert budget_problem(900 * MIB, None) == ""
    assert budget_problem(128 * MIB, 256 * MIB) == ""
    assert budget_problem(129 * MIB, 256 * MIB) == (
        "--history-bytes 129 MiB is more than half of this cgroup's memory limit of 256 MiB:"
        " the system may kill Loom; choose at most 64.0 MiB"
    )


def test_loom_says_at_start_that_its_budget_exceeds_the_limit_of_its_cgroup(tmp_path: Path) -> None:
    with memory_cgroup(300 * MIB) as cgroup:
        if cgroup is None:
            pytest.skip("this user may not make cgroups with a memory limit")
        program = cgroup.program(sys.executable, "-m", "loom")
        arguments = ("--listen", "localhost:0", "--no-ui", "--no-session", "--history-bytes", "200MiB")
        with running_loom(*arguments, home=tmp_path, program=program) as loom:
            loom.expect(r"--history-bytes 200 MiB is more than half of this cgroup's memory limit of 300 MiB")
            loom.expect(r"Loom localhost:")
