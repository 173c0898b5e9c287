"""The real vLLM on a folder of weights, in a venv of its own: to measure against, and to test against."""

import os
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_SECONDS = 240.0
STOP_SECONDS = 30.0
LONGEST_TOKENS = 512
"""Prompt and answer together: what the pocket model reads."""
BESIDE_OTHERS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) - 1)),
}
"""Environment of a vLLM that shares its processor with the service.

As it comes (0.32) the engine and its worker are two processes, and each spins while the other works, which
takes the cores from whoever else runs there. This keeps the worker in the engine's process, for which vLLM
chooses no number of threads: one core is left to others."""


@contextmanager
def vllm_server(
    python: Path,
    folder: Path,
    log: Path,
    *,
    name: str = "pocket",
    longest: int = LONGEST_TOKENS,
    beside_others: bool = False,
) -> Generator[str]:
    """Start vLLM with a venv's interpreter; give its address once it is healthy, and stop it in the end.

    It serves the folder under `name`, in float32 on the processor; what it says goes into `log`. `longest`
    may be more than the model was made for, to measure speed alone. With `beside_others` it leaves room for
    others on the same processor, and is slower alone. Raises `FileNotFoundError` when there is no such
    interpreter, and `TimeoutError`, with the end of the log, when the server does not come up.
    """
    if not python.exists():
        raise FileNotFoundError(f"no vLLM at {python}: run `make test-vllm`, or set PITCHWRIGHT_VLLM_PYTHON")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", folder]
    command += ["--served-model-name", name, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--max-model-len", str(longest), "--enforce-eager"]
    command += ["--block-size", "32"]
    command += ["--no-enable-chunked-prefill"]  # why: `vllm_engine.ON_PROCESSOR`
    if longest > LONGEST_TOKENS:
        command += ["--hf-overrides", f'{{"max_position_embeddings": {longest}}}']
    environment = {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        **(BESIDE_OTHERS if beside_others else {}),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_healthy(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_healthy(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            pass
        else:
            break
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            continue
    raise TimeoutError(f"vLLM did not come up, exit status {process.poll()}:\n{log.read_text()[-4000:]}")
