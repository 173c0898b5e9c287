"""A small file of headline tests as a person might bring it, and ways to damage it."""

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

from eval.datasets.description import dataset
from eval.datasets.public import Reading, read_file

NAME, FILE = "upworthy", "headline_tests.csv.gz"
HEADER = list(dataset(NAME).file(FILE).each_column())


def row(place: int) -> list[str]:
    """Write a row that can be; some have a cell of several lines, a comma or a quote."""
    return [
        f"{place:024x}",
        ("A Plain Headline", 'She Said "No", Twice', "Two\nLines")[place % 3],
        "",
        "An excerpt, with a comma",
        str(1000 + place),
        str(place),
        f"{place % 100}.5",
        "0",
        str(place % 2),
        "201446",
        "",
        "0",
    ]


def as_csv(rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def read_bytes(content: bytes, folder: Path, *, verify: bool = False) -> Reading:
    path = folder / "tests.csv.gz"
    path.write_bytes(content)
    return read_file(NAME, FILE, path, verify=verify)


def read_rows(rows: Sequence[Sequence[str]], folder: Path) -> Reading:
    return read_bytes(gzip.compress(as_csv(rows), 1), folder)
