"""The afternoon of `service/README.md`, run as it stands there against a real server."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.test_http_serve import START_SECONDS, answering, free_port, served

README = Path(__file__).parents[2] / "service" / "README.md"

pytestmark = pytest.mark.slow


def afternoon() -> str:
    section = r"### An afternoon for a CRM engineer.*?```sh\n(.*?)```"
    [script] = re.findall(section, README.read_text(), re.DOTALL)
    return script


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_an_afternoon_goes_as_the_readme_says(tmp_path: Path):
    folder, port = tmp_path / "var", free_port()
    command = (sys.executable, "-m", "service.cli", "--data-dir", str(folder))
    scopes = ("--scope", "crm", "--scope", "ingest")
    made = subprocess.run(
        [*command, "keys", "create", "crm", *scopes, "--json"], capture_output=True, text=True, check=True
    )
    url = f"http://127.0.0.1:{port}"
    with served(folder, port):
        asyncio.run(answering(f"{url}/health/live"))
        ran = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", afternoon()],
            env={**os.environ, "URL": url, "KEY": json.loads(made.stdout)["text"]},
            capture_output=True,
            text=True,
            timeout=2 * START_SECONDS,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    answers: list[dict[str, Any]] = [json.loads(line) for line in ran.stdout.splitlines()]
    batch, items, consents, preview, segment, count, members, match, reach, webhook, receipt, left = answers
    assert (batch["stored"], items["stored"], consents["stored"]) == (3, 1, 1)
    assert preview["size"] == 1
    assert preview["sample"][0]["profile_id"] == "ana"
    assert segment["version"] == 1
    assert count["count"] == 1
    assert [row["profile_id"] for row in members["results"]] == ["ana"]
    assert match["matched"] is False
    assert reach["allowed"] == 1
    assert webhook["secret"].startswith("whsec_")
    assert {"store.profiles", "files.snapshots"} <= {each["where"] for each in receipt["removed"]}
    assert receipt["completed_at"] is not None
    assert left["count"] == 0
