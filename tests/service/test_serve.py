"""The worker behind `pitchwright serve` does not outlive the process that started it."""

import subprocess
import sys

PARENT = """
import multiprocessing, signal
from service.serve import end_with_parent

def work():
    end_with_parent()
    print("up", flush=True)
    signal.pause()

if __name__ == "__main__":
    multiprocessing.get_context("fork").Process(target=work).start()
    signal.pause()
"""


def test_a_worker_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.kill()
        # The worker holds the other end of the pipe: this returns when it is gone, or raises.
        assert parent.communicate(timeout=30) == ("", None)
