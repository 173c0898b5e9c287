"""What a thread frees leaves the process."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, sys, threading
from service.heaps import give_back_freed

statm = os.open("/proc/self/statm", os.O_RDONLY)

def resident():  # takes no memory of the heap itself, which would then lie behind the blocks
    return int(os.pread(statm, 64, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

def peak():
    bytearray(31 * 2**20)  # a large block that is freed: glibc keeps more from now on
    blocks = [bytearray(2**20) for _ in range(48)]
    used.append(resident())
    blocks.clear()
    freed.append(resident())

if sys.argv[1] == "told":
    assert give_back_freed()
used, freed, before = [], [], resident()
thread = threading.Thread(target=peak)
thread.start()
thread.join()
print(used[0] - before, freed[0] - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc, and is about glibc")
def test_a_peak_in_a_thread_goes_back_to_the_system() -> None:
    def after(told: str) -> tuple[float, float]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, told], capture_output=True, text=True, check=True
        )
        used, freed = map(float, done.stdout.split())
        return used, freed

    used, kept = after("untold")
    assert min(used, kept) > 40
    used, kept = after("told")
    assert used > 40
    assert kept < 8
