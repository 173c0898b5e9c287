"""What is known of the public data sets: complete, true of the files, and what the README says."""

import os
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eval.datasets.description import Dataset, dataset, names
from eval.datasets.public import check, load
from eval.errors import DatasetError

README = Path(__file__).resolve().parents[2] / "eval" / "README.md"
SMALL = 100_000
"""Bytes; checking every larger file takes seconds."""
FILES = [(name, file.name, file.bytes) for name in names() for file in dataset(name).files]


@pytest.mark.parametrize("name", names())
def test_a_description_hangs_together(name: str) -> None:
    one = dataset(name)
    assert all(address.startswith("https://") for address in one.origin)
    assert all(re.search(r" @[0-9a-f]{40}$", copy) for copy in one.copied_from)
    assert all(trap.endswith(".") for trap in one.traps)
    assert len({file.name for file in one.files}) == len(one.files)
    for file in one.files:
        for label, column in file.columns.items():
            assert ("{}" in label) == (column.repeat is not None), label
            assert column.not_above is None or file.columns[column.not_above].type == column.type, label
            assert column.type == "text" or column.pattern is None, label
            assert column.type in ("integer", "number") or column.at_least is column.at_most is None, label
            assert {type(value) for value in column.values} <= {str if column.type == "text" else int}, label


def test_every_file_of_the_folder_is_described(shared_data: Path) -> None:
    there = {str(path.relative_to(shared_data)) for path in shared_data.glob("*/*")}
    assert there == {f"{name}/{file}" for name, file, _ in FILES}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        pytest.param(name, file, marks=[] if size < SMALL else [pytest.mark.slow])
        for name, file, size in FILES
    ],
)
def test_every_file_is_as_listed(name: str, file: str, shared_data: Path) -> None:
    listed = dataset(name).file(file)
    found = check(name, file, shared_data)
    assert (found.state, found.notes, found.passed) == ("as listed", (), True)
    assert found.rows == listed.rows
    assert (shared_data / name / file).stat().st_size == listed.bytes


def test_columns_have_their_types(shared_data: Path) -> None:
    frame = load("open_bandit", "bts_men.csv.gz", shared_data)
    assert frame.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert frame["timestamp"][0].isoformat() == "2019-11-24T00:01:03.979311+00:00"
    assert frame.schema["click"] == pl.Int64
    assert frame.columns[-1] == "user-item_affinity_33"
    months = load("marketing_mix", "robyn_simulated_weekly.csv.gz", shared_data)
    assert months["DATE"].dt.weekday().unique().to_list() == [1]


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(DatasetError, match=r"no data set 'upworty': use one of amazon_reviews, .*upworthy"):
        dataset("upworty")
    with pytest.raises(DatasetError, match=r"has no file 'x.csv': use one of headline_tests.csv.gz"):
        dataset("upworthy").file("x.csv")


def counted(name: str, folder: Path) -> list[Any]:
    """Count in the data what the traps of a set put into figures, in their order."""
    first, *others = (load(name, file.name, folder) for file in dataset(name).files)
    if name == "upworthy":
        tests = first.group_by("clickability_test_id").agg(pl.n_unique("headline"), pl.sum("winner"))
        suspects = first.filter(pl.col("randomisation_suspect") == 1)["test_week"]
        return [
            (tests["headline"] == 1).sum(),
            tests.height,
            suspects.sort()[0],
            suspects.sort()[-1],
            (tests["winner"] == 0).sum(),
        ]
    if name == "telco_churn":
        newest = first.filter(pl.col("tenure") == 0)
        assert newest["TotalCharges"].to_list() == [0] * newest.height
        assert newest["Churn"].to_list() == ["No"] * newest.height
        return [newest.height]
    if name == "movielens_small":
        spans = first.group_by("user_id").agg(pl.col("rated_at").max() - pl.col("rated_at").min(), pl.len())
        hurried = spans.filter(pl.col("rated_at").dt.total_hours() < 24).height
        genreless = (others[0]["genres"] == "(no genres listed)").sum()
        assert spans["len"].min() == 20
        return [hurried, spans.height, genreless]
    if name == "ipinyou":
        sample = others[1]
        return [sample["IsClick"].sum(), sample.height]
    return {
        "bank_marketing": lambda: [(first["pdays"] == -1).sum()],
        "cdnow": lambda: [(first["dollar_value"] == 0).sum()],
        "clothing_reviews": lambda: [first["review_text"].null_count()],
        "hillstrom": lambda: [(first["history"] == 29.99).sum()],
        "online_retail": lambda: [first["quantity"].max(), (others[0]["is_product"] == 0).sum()],
    }[name]()


COUNTS = {
    "bank_marketing": [36_954],
    "cdnow": [80],
    "clothing_reviews": [845],
    "hillstrom": [6_441],
    "ipinyou": [148, 4_570],
    "movielens_small": [330, 540, 18],
    "online_retail": [74_215, 37],
    "telco_churn": [11],
    "upworthy": [1_793, 3_876, 201_325, 201_401, 2_962],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_the_figures_of_a_trap_are_those_of_the_data(name: str, shared_data: Path) -> None:
    assert counted(name, shared_data) == COUNTS[name]
    traps = " ".join(dataset(name).traps)
    assert [count for count in COUNTS[name] if f"{count:,}" not in traps and str(count) not in traps] == []


def written(one: Dataset) -> str:
    origin = ", ".join(f"<{address}>" for address in one.origin)
    return f"| `{one.name}` | {one.use} | {one.licence} | {origin} |"


def test_the_readme_tells_what_is_known() -> None:
    sets = [dataset(name) for name in names()]
    table = ["| set | for | licence | where the public gets it |", "| --- | --- | --- | --- |"]
    traps = [line for one in sets for line in (f"- {one.title}", *(f"  - {trap}" for trap in one.traps))]
    told = "\n".join([*table, *map(written, sets), "", "What misleads in them:", "", *traps])
    text = README.read_text(encoding="utf-8")
    before, rest = text.split("<!-- data sets -->\n")
    found, after = rest.split("\n<!-- end of data sets -->")
    if os.environ.get("UPDATE_GOLDEN"):
        README.write_text(
            f"{before}<!-- data sets -->\n{told}\n<!-- end of data sets -->{after}", encoding="utf-8"
        )
        return
    assert found == told, "run UPDATE_GOLDEN=1 pytest on this test"
