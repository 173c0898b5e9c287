"""The worker behind `pitchwright serve` ends with its parent, and its log is no result."""

import json
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


def test_what_is_logged_leaves_stdout_to_results() -> None:
    script = (
        "import structlog; from service.console import log_to_stderr; log_to_stderr('info'); "
        "log = structlog.get_logger('x'); log.debug('low'); log.warning('high', version=1)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert json.loads(line).items() >= {"event": "high", "level": "warning", "version": 1}.items()
