"""A throwaway PostgreSQL cluster on a unix socket, gone with the tests."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest


def server_binaries() -> Path:
    """The newest installed server's folder; a run that selected these tests fails without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found:
        return found[-1]
    on_path = shutil.which("initdb")
    if on_path is None:
        pytest.fail(
            "no PostgreSQL server found in /usr/lib/postgresql/*/bin or on PATH: apt-get install postgresql"
        )
    return Path(on_path).parent


def plain_user() -> str | None:
    """PostgreSQL refuses to run as root: the user to run it as, none when we are a plain one ourselves."""
    if os.geteuid() != 0:
        return None
    names = {line.partition(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def cluster() -> Iterator[Path]:
    """Start a cluster; yields its socket folder. Superuser `postgres`, no password, no TCP."""
    binaries, user = server_binaries(), plain_user()
    # Not under pytest's folder: the server's user may not enter that, and socket paths must be short.
    folder = Path(mkdtemp(prefix="pw-pg-"))
    if user is not None:
        shutil.chown(folder, user)
    log = folder / "log"

    def run(*command: str | Path) -> None:
        done = subprocess.run(
            [str(part) for part in command],
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            env={"LC_ALL": "C"},
        )
        if done.returncode:
            server_log = log.read_text() if log.exists() else ""
            pytest.fail(f"{command[0]} failed: {done.stderr}{server_log}")

    try:
        run(
            binaries / "initdb",
            "-D",
            folder / "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        )
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run(binaries / "pg_ctl", "-D", folder / "data", "-l", log, "-w", "-o", options, "start")
        try:
            yield folder
        finally:
            run(binaries / "pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
