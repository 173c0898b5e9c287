"""The formats of files of people: what a spreadsheet would compute, and what it need not be kept from."""

import csv
import io

import polars as pl
import pytest

from service.exports.formats import writer_of
from service.exports.model import Format

ODD = (
    ('=HYPERLINK("http://evil.example";"you")', "'"),
    ("+cmd|' /C calc'!A0", "'"),
    ("-2+3", "'"),
    ("@SUM(A1)", "'"),
    ("\t=1", "'"),
    ("\r=1", "'"),
    ("＝1", "'"),
    ("+49 151 1234567", ""),
    ("+491511234567", ""),
    ("-12.5", ""),
    ("+1-202-555", "'"),
    ("- a dash", "'"),
    ("a=1", ""),
    ("'=1", ""),
    ("", ""),
    ('Ada, "the" first\nof her name', ""),
)


def written(form: Format) -> io.BytesIO:
    stream = io.BytesIO()
    frame = pl.DataFrame({"text": [text for text, _ in ODD] + [None], "score": [0.5] * len(ODD) + [-1.0]})
    writer = writer_of(form, stream, frame.schema)
    writer.write(frame[:3])
    writer.write(frame[3:])
    writer.close()
    stream.seek(0)
    return stream


def test_no_cell_of_a_csv_is_a_formula_and_no_other_is_changed() -> None:
    rows = list(csv.DictReader(io.TextIOWrapper(written("csv"), "utf-8", newline="")))
    assert [row["text"] for row in rows] == [before + text for text, before in ODD] + [""]
    assert {row["score"] for row in rows} == {"0.5", "-1.0"}


@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_other_formats_hold_values_as_they_are(form: Format) -> None:
    frame = pl.read_parquet(written(form)) if form == "parquet" else pl.read_ndjson(written(form))
    assert frame["text"].to_list() == [*(text for text, _ in ODD), None]
