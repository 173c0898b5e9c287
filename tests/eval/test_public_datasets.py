"""Public data sets are read whole or refused; of another version what cannot be is counted."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from eval.datasets.public import check, load, read_file
from eval.errors import DatasetError
from tests.eval.damaged_files import FILE, HEADER, NAME, as_csv, read_bytes, read_rows, row

ROWS = [row(place) for place in range(9)]
WHENCE = "upworthy is to be had at https://upworthy.natematias.com (licence: CC BY 4.0)"


def put(folder: Path, content: bytes) -> Path:
    (folder / NAME).mkdir()
    (folder / NAME / FILE).write_bytes(content)
    return folder


def with_cell(place: int, column: str, cell: str) -> list[list[str]]:
    rows = [list(one) for one in ROWS]
    rows[place][HEADER.index(column)] = cell
    return rows


def test_the_listed_version_is_read_whole(shared_data: Path) -> None:
    frame = load(NAME, FILE, shared_data)
    assert frame.height == 18_037
    assert frame["impressions"].dtype == pl.Int64
    assert frame["headline"].null_count() == 0
    assert frame["excerpt"].null_count() == 1_880


def test_another_version_is_read_only_when_asked_for(tmp_path: Path) -> None:
    folder = put(tmp_path, gzip.compress(as_csv(ROWS)))
    with pytest.raises(
        DatasetError, match=r"another version than the listed one: sha256 .*--any-version"
    ) as refusal:
        load(NAME, FILE, folder)
    assert WHENCE in str(refusal.value)
    assert "9 rows where the listed version has 18,037" in str(refusal.value)
    frame = load(NAME, FILE, folder, verify=False)
    assert frame["headline"].to_list()[:3] == ["A Plain Headline", 'She Said "No", Twice', "Two\nLines"]
    assert frame["lede"].to_list() == [None] * 9
    assert frame["significance"][3] == 3.5


def test_plain_csv_gzip_and_parquet_say_the_same(tmp_path: Path) -> None:
    plain = read_bytes(as_csv(ROWS), tmp_path)
    marked = read_bytes(b"\xef\xbb\xbf" + as_csv(ROWS), tmp_path)
    packed = read_rows(ROWS, tmp_path)
    plain.frame.write_parquet(tmp_path / "tests.parquet")
    parquet = read_file(NAME, FILE, tmp_path / "tests.parquet", verify=False)
    assert plain.frame.equals(packed.frame)
    assert plain.frame.equals(marked.frame)
    assert plain.frame.equals(parquet.frame)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (as_csv([]), "has no row that can be used: there is none at all"),
        (gzip.compress(as_csv(ROWS), mtime=0)[:-20], "is not a whole gzip"),
        (gzip.compress(b"", mtime=0), "has other columns: .*missing, it has none"),
        (b"PAR1 but no more", "is not a whole Parquet file"),
        (as_csv(ROWS).replace(b"Plain", b"Pl\xe9in", 1), "is not UTF-8 at line 2"),
        (as_csv(ROWS, [*HEADER[:4], "shown", *HEADER[5:]]), "has other columns: 'impressions' missing"),
        (as_csv(ROWS, [*HEADER[:-1], "clicks"]), "'randomisation_suspect' missing"),
        (
            as_csv([[*one, "1"] for one in ROWS], [*HEADER, "clicks"]),
            "has 'clicks' more than once in its header",
        ),
        (as_csv(ROWS).replace(b'Twice"', b"Twice", 1), "breaks off at line"),
        (as_csv(ROWS) + b'"open', "breaks off at line 14 .unexpected end of data"),
        (
            as_csv([one[:-1] for one in ROWS]),
            "no row that can be used: 11 cells where the header has 12 .9: line 2, 3, 4",
        ),
    ],
)
def test_a_damaged_file_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=said) as refusal:
        read_bytes(content, tmp_path)
    assert WHENCE in str(refusal.value)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist: put it there, or give the folder"):
        load(NAME, FILE, tmp_path)
    (tmp_path / NAME / FILE).mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"cannot be read \(Is a directory\)"):
        load(NAME, FILE, tmp_path)


@pytest.mark.parametrize(
    ("column", "cell", "what"),
    [
        ("impressions", "", "impressions is empty"),
        ("impressions", "0", "impressions is below 1"),
        ("impressions", "12.5", "impressions is no whole number"),
        ("clicks", "-1", "clicks is below 0"),
        ("clicks", "9000", "clicks is above impressions"),
        ("significance", "NaN", "significance is not finite"),
        ("significance", "inf", "significance is not finite"),
        ("significance", "100.5", "significance is above 100"),
        ("significance", "high", "significance is no number"),
        ("winner", "2", "winner is none of 0, 1"),
        ("clickability_test_id", "x1", r"clickability_test_id is not like ^[0-9a-f]{24}$"),
        ("headline", "", "headline is empty"),
    ],
)
def test_a_row_that_cannot_be_is_set_aside_with_its_line(
    column: str, cell: str, what: str, tmp_path: Path
) -> None:
    reading = read_rows(with_cell(4, column, cell), tmp_path)
    assert reading.set_aside == 1
    assert reading.frame.height == 8
    assert [(fault.what, fault.rows, fault.lines) for fault in reading.faults if fault.what == what] == [
        (what, 1, (7,))
    ]
    assert "1 of 9 rows set aside: " in reading.notes[-1]


def test_load_gives_no_file_with_rows_that_cannot_be(tmp_path: Path) -> None:
    folder = put(tmp_path, as_csv(with_cell(4, "clicks", "-1")))
    with pytest.raises(DatasetError, match=r"1 of 9 rows set aside: clicks is below 0 \(1: line 7\)"):
        load(NAME, FILE, folder, verify=False)


def test_columns_nobody_listed_are_left_out_and_named(tmp_path: Path) -> None:
    turned = [[*reversed(one), "x"] for one in ROWS]
    reading = read_bytes(as_csv(turned, [*reversed(HEADER), "slug"]), tmp_path)
    assert reading.frame.columns == HEADER
    assert reading.frame.equals(read_rows(ROWS, tmp_path).frame)
    assert "columns left out because none lists them: 'slug'" in reading.notes


def test_a_parquet_column_of_another_type_is_refused(tmp_path: Path) -> None:
    frame = read_rows(ROWS, tmp_path).frame.with_columns(pl.col("clicks").cast(pl.String))
    frame.write_parquet(tmp_path / "tests.parquet")
    with pytest.raises(DatasetError, match="clicks is String, not a column of whole numbers"):
        read_file(NAME, FILE, tmp_path / "tests.parquet", verify=False)


def test_a_check_says_what_load_would_do(tmp_path: Path) -> None:
    assert check(NAME, FILE, tmp_path).state == "absent"
    folder = put(tmp_path, as_csv(ROWS))
    strict, lenient = check(NAME, FILE, folder), check(NAME, FILE, folder, verify=False)
    assert (strict.state, strict.passed, strict.rows) == ("another version", False, 9)
    assert (lenient.state, lenient.passed) == ("another version", True)
    (folder / NAME / FILE).write_bytes(as_csv(with_cell(4, "clicks", "-1")))
    assert not check(NAME, FILE, folder, verify=False).passed
    (folder / NAME / FILE).write_bytes(b"\x1f\x8b")
    assert check(NAME, FILE, folder, verify=False).state == "unusable"


def test_an_empty_text_is_no_text_in_any_format(tmp_path: Path) -> None:
    frame = read_rows(ROWS, tmp_path).frame
    held = pl.when(pl.col("clicks") == 3).then(pl.lit("")).otherwise(pl.col("headline")).alias("headline")
    frame.with_columns(held.cast(pl.Categorical), lede=pl.lit("")).write_parquet(tmp_path / "tests.parquet")
    reading = read_file(NAME, FILE, tmp_path / "tests.parquet", verify=False)
    assert reading.frame["lede"].null_count() == 8
    assert reading.frame["headline"].dtype == pl.String
    assert [(fault.what, fault.lines) for fault in reading.faults] == [("headline is empty", (4,))]


def test_a_message_stays_short_however_much_is_wrong(tmp_path: Path) -> None:
    strange = [f"column {place}" * 20 for place in range(300)]
    with pytest.raises(DatasetError, match="and 280 more") as refusal:
        read_bytes(as_csv([], strange), tmp_path)
    assert len(str(refusal.value)) < 2500
    rows = [*ROWS, *([*["x"] * width] for width in range(1, 12))]
    assert "; and 3 other faults" in read_rows(rows, tmp_path).notes[-1]
