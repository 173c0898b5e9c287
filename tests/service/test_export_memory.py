"""Exports of many members: the memory they take does not depend on how many there are."""

import gzip
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from indexing.definition import AllOf
from service.exports.model import Format
from service.exports.writing import write_members
from service.privacy.masks import Masks
from service.segments.selection import Selection

FEW, MANY = 100_000, 1_000_000


def everybody(count: int) -> Selection:
    """A selection of all profiles of a snapshot of so many."""
    ids = pl.select(pl.format("customer-{}", pl.int_range(count).cast(pl.String).str.zfill(9))).to_series()
    manifest = SimpleNamespace(as_of=datetime(2026, 3, 1, tzinfo=UTC), version="v")
    snapshot: Any = SimpleNamespace(profiles=pl.DataFrame({"id": ids}), manifest=manifest)
    evaluation: Any = SimpleNamespace(select=lambda _: (np.ones(count, dtype=np.bool_), None))
    return Selection(AllOf(parts=()), {}, snapshot, evaluation)


def peak_bytes(selection: Selection, file: Path, masks: Masks | None = None) -> int:
    """The most memory Python takes at once to write an export, beside `kept`: a byte a member."""
    kept = np.ones(selection.members.size, dtype=np.bool_)
    tracemalloc.start()
    try:
        written = write_members(selection, kept, file, "csv", lambda _: None, masks)
        assert written == selection.members.size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("masks", [None, Masks(b"1" * 32, ())], ids=["ids", "pseudonyms"])
def test_an_export_of_a_million_takes_no_more_memory_than_one_of_a_hundred_thousand(
    tmp_path: Path, masks: Masks | None
):
    few = peak_bytes(everybody(FEW), tmp_path / "few.csv.gz", masks)
    many = peak_bytes(everybody(MANY), tmp_path / "many.csv.gz", masks)
    print(f"peak of Python's memory: {FEW:,} members {few:,} bytes, {MANY:,} members {many:,} bytes")
    assert many < 1.2 * few
    lines = gzip.decompress((tmp_path / "many.csv.gz").read_bytes()).decode().splitlines()
    expected = [f"customer-{number:09}," for number in range(MANY)]
    if masks is not None:
        expected = sorted(f"{masks.profile(each.removesuffix(','))}," for each in expected)
    assert lines == ["profile_id,score", *expected]
    assert {each.name for each in tmp_path.iterdir()} == {"few.csv.gz", "many.csv.gz"}


def test_members_come_in_chunks_and_in_one_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    selection, masks = everybody(100), Masks(b"1" * 32, ())
    kept = np.ones(100, dtype=np.bool_)
    write_members(selection, kept, tmp_path / "whole.csv.gz", "csv", lambda _: None, masks)
    monkeypatch.setattr("service.exports.writing.ROWS_AT_ONCE", 7)
    monkeypatch.setattr("service.exports.ordering.ROWS_PER_HEAP", 13)
    monkeypatch.setattr("service.segments.selection.IDS_AT_ONCE", 3)
    again = everybody(100)
    kept[5] = False
    write_members(again, kept, tmp_path / "parts.csv.gz", "csv", lambda _: None, masks)
    whole, parts = (
        gzip.decompress((tmp_path / f"{name}.csv.gz").read_bytes()).decode().splitlines()
        for name in ("whole", "parts")
    )
    assert whole[1:] == sorted(whole[1:])
    gone = masks.profile("customer-000000005")
    assert parts == [line for line in whole if not line.startswith(gone)]
    assert list(again.each_id()) == [f"customer-{number:09}" for number in range(100)]


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_nobody_is_a_file_too_under_pseudonyms_as_under_ids(tmp_path: Path, form: Format):
    nobody, kept = everybody(0), np.ones(0, dtype=np.bool_)
    files = [tmp_path / name for name in ("ids", "pseudonyms")]
    for file, masks in zip(files, (None, Masks(b"1" * 32, ())), strict=True):
        assert write_members(nobody, kept, file, form, lambda _: None, masks) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
