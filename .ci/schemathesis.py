"""Hold the service to its OpenAPI document with schemathesis, which knows nothing of us but that document.

A small shop is made and served, and every operation is asked with an admin's key. The process exits as
schemathesis does: 1 when an answer is a server error, or has a status, a media type or a body that is not
documented.

Usage: .venv/bin/python .ci/schemathesis.py .venv-schemathesis/bin/schemathesis [OPTION]...
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from service.benchmarks.processes import free_port, started
from tests.journeys.test_http_fuzz import KNOWN_IDS, keep_known
from tests.service.http.shop import Shop, make_shop

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
PHASES = ("examples", "coverage", "fuzzing")
EXAMPLES = 5
"""Of each operation, beside those of the document and those that cover its parameters' limits."""
KNOWN = 0.7
"""How often an id is one that is there."""
TIMEOUT_SECONDS = 900


def write_config(file: Path) -> None:
    """Tell schemathesis the ids that are there, by the name of their parameter."""
    lines = [f"[dictionaries.{name}]\nvalues = {json.dumps(ids)}" for name, ids in KNOWN_IDS.items()]
    bound = [f'"path.{name}" = {{dictionary = "{name}", probability = {KNOWN}}}' for name in KNOWN_IDS]
    file.write_text("\n".join([*lines, "[parameters]", *bound]) + "\n")


async def prepare(folder: Path) -> Shop:
    """Make the shop, and what the known ids name."""
    shop = await make_shop(folder)
    await keep_known(shop.settings())
    return shop


def main(schemathesis: str, *options: str) -> int:
    """Run it; give its exit status."""
    with tempfile.TemporaryDirectory(prefix="schemathesis-") as scratch:
        folder = Path(scratch)
        shop = asyncio.run(prepare(folder / "var"))
        write_config(folder / "schemathesis.toml")
        url = f"http://127.0.0.1:{(port := free_port())}"
        environment = {
            "PITCHWRIGHT_EMBEDDER": "offline",
            "PITCHWRIGHT_LOG_LEVEL": "error",
            "PITCHWRIGHT_PORT": str(port),
            "PITCHWRIGHT_SNAPSHOT_INTERVAL_SECONDS": "0",
        }
        serve = ("-m", "service.cli", "--data-dir", shop.folder, "serve")
        with started(serve, f"{url}/health/live", folder / "log", environment):
            command = [
                str(Path(schemathesis).absolute()),
                *("--config-file", "schemathesis.toml", "run", f"{url}/schema/openapi.json"),
                *("--header", f"Authorization: Bearer {shop.keys['default/admin']}"),
                *("--checks", ",".join(CHECKS), "--phases", ",".join(PHASES)),
                *("--max-examples", str(EXAMPLES), "--generation-deterministic", "--no-shrink"),
                *("--continue-on-failure", "--request-timeout", "60", "--warnings", "off"),
                *options,
            ]
            return subprocess.run(command, cwd=folder, timeout=TIMEOUT_SECONDS).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
