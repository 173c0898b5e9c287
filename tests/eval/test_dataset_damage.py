"""Whatever happens to a file: it is refused, or every row of it is there or counted, and it is said."""

import contextlib
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.datasets.public import Reading
from eval.errors import DatasetError
from tests.eval.damaged_files import HEADER, as_csv, read_bytes, read_rows, row

ROWS = [row(place) for place in range(12)]
NUMBERS = [
    "impressions",
    "clicks",
    "significance",
    "winner",
    "first_place",
    "test_week",
    "randomisation_suspect",
]
IMPOSSIBLE = st.sampled_from(
    ["", "NaN", "inf", "-1", "x", "1e999", "-0.5", "1,5", "0x1", "999999999999999999999"]
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def whole(folder: Path) -> pl.DataFrame:
    return read_rows(ROWS, folder).frame


def held(reading: Reading, rows: int) -> None:
    """Every row is there or counted, none that is there is impossible, and the reader is told."""
    assert reading.frame.height + reading.set_aside == rows
    assert not reading.listed
    assert reading.notes
    assert reading.set_aside <= sum(fault.rows for fault in reading.faults)
    frame = reading.frame
    assert frame.filter((pl.col("clicks") < 0) | (pl.col("clicks") > pl.col("impressions"))).is_empty()
    assert frame["significance"].is_between(0, 100).all()
    assert frame.select(pl.col(*NUMBERS, "headline").is_null().any()).row(0) == (False,) * (len(NUMBERS) + 1)


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 11), st.sampled_from(NUMBERS)), IMPOSSIBLE, min_size=1, max_size=6
    )
)
def test_cells_that_cannot_be_are_counted_row_by_row(
    folder: Path, whole: pl.DataFrame, cells: dict[tuple[int, str], str]
) -> None:
    rows = [list(one) for one in ROWS]
    for (place, column), cell in cells.items():
        rows[place][HEADER.index(column)] = cell
    hit = {place for place, _ in cells}
    if len(hit) == len(rows):
        return
    reading = read_rows(rows, folder)
    held(reading, 12)
    assert reading.frame.equals(whole.filter([place not in hit for place in range(12)]))


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.integers(0, 11), st.sampled_from([-3, -1, 1, 4]), min_size=1, max_size=5))
def test_rows_of_another_width_are_counted(folder: Path, whole: pl.DataFrame, widths: dict[int, int]) -> None:
    rows = [
        [*one, *["1"] * change][: 12 + change]
        for place, one in enumerate(ROWS)
        for change in [widths.get(place, 0)]
    ]
    reading = read_rows(rows, folder)
    held(reading, 12)
    assert reading.frame.equals(whole.filter([place not in widths for place in range(12)]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 11), min_size=1, max_size=30))
def test_rows_lost_or_repeated_change_the_number_that_is_told(folder: Path, places: list[int]) -> None:
    reading = read_rows([ROWS[place] for place in places], folder)
    held(reading, len(places))
    assert f"{len(places):,} rows where the listed version has 18,037" in reading.notes


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_gzip_that_ends_too_soon_is_refused(folder: Path, data: st.DataObject) -> None:
    content = gzip.compress(as_csv(ROWS))
    kept = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(DatasetError):
        read_bytes(content[:kept], folder)


@settings(max_examples=25, deadline=None)
@given(st.data(), st.binary(min_size=1, max_size=3))
def test_a_text_with_other_bytes_is_refused_or_counted(
    folder: Path, data: st.DataObject, noise: bytes
) -> None:
    content = as_csv(ROWS)
    first = data.draw(st.integers(0, len(content) - 1))
    removed = data.draw(st.integers(0, 3))
    with contextlib.suppress(DatasetError):
        reading = read_bytes(content[:first] + noise + content[first + removed :], folder)
        held(reading, reading.frame.height + reading.set_aside)


@settings(max_examples=25, deadline=None)
@given(st.data(), st.integers(1, 255), st.sampled_from(["gzip", "parquet"]))
def test_a_packed_file_with_another_byte_is_refused_or_says_the_same(
    folder: Path, whole: pl.DataFrame, data: st.DataObject, change: int, kind: str
) -> None:
    if kind == "gzip":
        content = bytearray(gzip.compress(as_csv(ROWS)))
    else:
        buffer = io.BytesIO()
        whole.write_parquet(buffer)
        content = bytearray(buffer.getvalue())
    content[data.draw(st.integers(0, len(content) - 1))] ^= change
    with contextlib.suppress(DatasetError):
        reading = read_bytes(bytes(content), folder)
        # Parquet has no checksum here: a byte may be another number of rows, which is told.
        rows = 12 if kind == "gzip" else reading.frame.height + reading.set_aside
        held(reading, rows)


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"PAR1", b"\x1f\x8b\x08"]))
def test_bytes_that_are_no_file_are_refused(folder: Path, content: bytes, start: bytes) -> None:
    with pytest.raises(DatasetError):
        read_bytes(start + content, folder)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_damage_passes_for_the_listed_version(
    folder: Path, shared_data: Path, data: st.DataObject
) -> None:
    content = bytearray((shared_data / "upworthy" / "headline_tests.csv.gz").read_bytes()[:2000])
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1
    with pytest.raises(DatasetError):
        read_bytes(bytes(content), folder, verify=True)
