"""A send list's files: whole or not there, for one export at a time."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from service.campaigns.send_list_files import SendFormat, SendListFiles
from service.errors import Conflict, DependencyError, InvalidInput

SCHEMA = pl.Schema({"profile_id": pl.String(), "text": pl.String()})
ROWS = pl.DataFrame({"profile_id": ["p0", "p1"], "text": ["Hi", None]}, schema=SCHEMA)
REFUSED = pl.DataFrame({"profile_id": ["p2"], "rule": ["too_long"]})
READ = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}
FORMATS: tuple[SendFormat, ...] = ("csv", "jsonl", "parquet")


class Counts(msgspec.Struct):
    rows: int


def write(out: Path, form: SendFormat = "csv") -> None:
    with SendListFiles(out, form, SCHEMA) as files:
        files.write(ROWS, REFUSED)
        files.write(ROWS, REFUSED.clear())
        files.finish(Counts(4))


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("form", FORMATS)
def test_the_list_the_refused_and_the_counts_take_their_names_together(
    form: SendFormat, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "list"
    write(out, form)
    assert listed(out.parent) == ["list", "list.refused.jsonl", "list.summary.json"]
    rows = READ[form](out)
    assert rows["profile_id"].to_list() == ["p0", "p1", "p0", "p1"]
    assert rows.columns == SCHEMA.names()
    assert json.loads((out.parent / "list.refused.jsonl").read_text()) == {
        "profile_id": "p2",
        "rule": "too_long",
    }
    assert json.loads((out.parent / "list.summary.json").read_text()) == {"rows": 4}
    before = {path.name: path.read_bytes() for path in out.parent.iterdir()}
    write(out, form)
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == before


@pytest.mark.parametrize("form", FORMATS)
def test_a_list_without_rows_still_names_its_columns(form: SendFormat, tmp_path: Path) -> None:
    with SendListFiles(tmp_path / "list", form, SCHEMA) as files:
        files.finish(Counts(0))
    if form == "csv":
        assert (tmp_path / "list").read_text() == "profile_id,text\n"
    elif form == "jsonl":
        assert (tmp_path / "list").read_bytes() == b""
    else:
        assert pl.read_parquet(tmp_path / "list").schema == SCHEMA


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_not_finished_leaves_the_old_list_and_nothing_else(form: SendFormat, tmp_path: Path) -> None:
    out = tmp_path / "list"
    write(out, form)
    before = out.read_bytes()

    def interrupted() -> None:
        with SendListFiles(out, form, SCHEMA) as files:
            files.write(ROWS, REFUSED)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert listed(tmp_path) == ["list", "list.refused.jsonl", "list.summary.json"]
    assert out.read_bytes() == before


def test_two_exports_do_not_share_a_file(tmp_path: Path) -> None:
    with SendListFiles(tmp_path / "list", "csv", SCHEMA) as files:
        with pytest.raises(Conflict, match="another export"), SendListFiles(tmp_path / "list", "csv", SCHEMA):
            pass
        files.write(ROWS, REFUSED)
        files.finish(Counts(2))
    assert (tmp_path / "list").read_text() == "profile_id,text\np0,Hi\np1,\n"
    write(tmp_path / "list")


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out, reason in ((tmp_path, "is a folder"), (tmp_path / "file" / "list", "cannot be written")):
        with pytest.raises(InvalidInput, match=reason), SendListFiles(out, "csv", SCHEMA):
            pass
    assert listed(tmp_path) == ["file"]


class FullDisk:
    """A stream that takes a few bytes and then no more."""

    def __init__(self, stream: Any, room: int) -> None:
        self._stream, self._room = stream, room

    def write(self, content: Any) -> int:
        self._room -= len(content)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._stream.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("room", [3, 60, 400])
def test_a_full_disk_leaves_nothing_and_says_so(
    form: SendFormat, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.campaigns import send_list_files

    opened = send_list_files._locked  # pyright: ignore[reportPrivateUsage] # between its two steps
    monkeypatch.setattr(send_list_files, "_locked", lambda out: FullDisk(opened(out), room))

    def export() -> None:
        with SendListFiles(tmp_path / "list", form, SCHEMA) as files:
            for _ in range(60):
                files.write(ROWS, REFUSED)
            files.finish(Counts(60))

    with pytest.raises(DependencyError, match="No space left on device"):
        export()
    assert listed(tmp_path) == []


def test_a_killed_export_leaves_no_list_and_the_next_one_is_whole(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from tests.service.test_send_list_files import REFUSED, ROWS, SCHEMA
        from service.campaigns.send_list_files import SendListFiles
        with SendListFiles(Path(sys.argv[1]), "csv", SCHEMA) as files:
            files.write(ROWS, REFUSED)
            files._list.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", script, str(tmp_path / "list")]
    done = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": root})
    assert done.returncode == -signal.SIGKILL
    assert listed(tmp_path) == ["list.part", "list.refused.jsonl.part"]
    write(tmp_path / "list")
    write(tmp_path / "again")
    assert (tmp_path / "list").read_bytes() == (tmp_path / "again").read_bytes()
    assert not list(tmp_path.glob("*.part"))
