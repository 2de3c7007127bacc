"""What the C library keeps of freed memory goes back to the system once it is much."""

import subprocess
import sys

from loom.process_memory import FreeMemory

PROGRAM = """
import threading
from loom.process_memory import FreeMemory, anonymous_bytes

def allocate():
    kept.append([bytes(3000) for _ in range(4000)][::100])  # a block here and there keeps the pages around it
    barrier.wait()

kept, barrier = [], threading.Barrier(8)
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
before = anonymous_bytes()
FreeMemory(0).release_excess()
print(before, anonymous_bytes())
"""


def test_free_memory_is_returned() -> None:
    output = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True).stdout
    before, after = map(int, output.split())
    assert before > 60_000_000
    assert after < before / 2


def test_it_is_released_only_when_the_process_has_grown() -> None:
    usage, releases = [100], 0

    def release() -> None:
        nonlocal releases
        releases += 1
        usage[0] = 80

    memory = FreeMemory(50, usage=lambda: usage[0], release=release)
    for size, expected in [(40, 0), (60, 1), (120, 1), (131, 2), (130, 2)]:
        usage[0] = size
        memory.release_excess()
        assert releases == expected
