"""What files say, read and transformed: no store needed."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.importing.errors import MappingError, SourceError
from service.importing.identity import RowIdentity
from service.importing.mapping import Condition, EventsSection, Field, Operation, load_mapping, parse_mapping
from service.importing.sources import read_chunks, verify
from service.importing.transforms import (
    Cells,
    as_boolean,
    as_number,
    as_time,
    cells_of,
    check_formats,
    matches,
)

EVENTS = EventsSection(file="events.csv", profile="who", type="kind", time="when", quantity="n")


@pytest.mark.parametrize(
    ("document", "place", "hint"),
    [
        ({"itmes": {}}, "`itmes`", "`items`"),
        ({"items": {"file": "x", "id": "a", "titel": "b"}}, "`items.titel`", "`title`"),
        ({"items": {"file": "x", "id": "a", "title": {"colum": "b"}}}, "`items.title.colum`", "`column`"),
        (
            {"profiles": {"file": "x", "id": "a", "traits": {"q": {"colum": "r"}}}},
            "`profiles.traits[...].colum`",
            "`column`",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_its_place_and_nearest_neighbour(
    document: object, place: str, hint: str
):
    with pytest.raises(MappingError) as refused:
        parse_mapping(document, name="shop.yaml")
    assert "shop.yaml" in str(refused.value)
    assert place in str(refused.value)
    assert f"did you mean {hint}" in str(refused.value)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"items": {"file": "x", "id": "a", "title": {}}}, "exactly one of column"),
        (
            {"items": {"file": "x", "id": "a", "title": {"column": "b", "apply": [{}]}}},
            "exactly one of split",
        ),
        ({"timezone": "Mars/Olympus", "items": {"file": "x", "id": "a", "title": "b"}}, "Mars/Olympus"),
        ({}, "at least one of items"),
        (
            {
                "items": {
                    "file": "x",
                    "id": "a",
                    "title": "b",
                    "where": [{"column": "c", "op": "above", "value": "x"}],
                }
            },
            "a number under `value`",
        ),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(document: object, words: str):
    with pytest.raises(MappingError, match=words):
        parse_mapping(document)


def test_a_mapping_file_that_is_missing_or_no_yaml_says_so(tmp_path: Path):
    with pytest.raises(MappingError, match="does not exist"):
        load_mapping(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("items: [")
    with pytest.raises(MappingError, match="not YAML"):
        load_mapping(tmp_path / "bad.yaml")


@pytest.mark.parametrize("name", ["online_retail", "movielens", "demo"])
def test_the_shipped_mappings_are_sound(name: str):
    mapping = load_mapping(Path("eval/datasets") / f"{name}.yaml")
    assert mapping.sections()
    for section in mapping.sections():
        check_formats(section.fields().values())


def values(field: Field, **columns: list[object]) -> list[object]:
    return cells_of(field, pl.DataFrame(columns)).values.to_list()


def test_transforms_do_what_they_say():
    assert values(Field(column="c", apply=("strip", "title")), c=["  KID'S BOX ", None]) == [
        "Kid's Box",
        None,
    ]
    assert values(Field(column="c", apply=(Operation(split="|"),)), c=["A| b|", ""]) == [["A", "b"], None]
    assert values(Field(column="c", apply=(Operation(split="|"), "first")), c=["A|B", None]) == ["A", None]
    assert values(Field(column="c", apply=(Operation(map={"a": "b", "x": None}),)), c=["a", "x", "q"]) == [
        "b",
        None,
        "q",
    ]
    assert values(Field(column="c", apply=(Operation(map={"good": 5}),)), c=["good", "2"]) == [5.0, 2.0]
    assert values(Field(concat=("a", "b"), separator="-"), a=["x", None], b=["y", "z"]) == ["x-y", "z"]
    assert values(Field(multiply=("n", "p")), n=["2", "3"], p=["1.5", ""]) == [3.0, None]
    assert values(Field(column="c", apply=(Operation(multiply=0.01),)), c=["250"]) == [2.5]
    assert values(Field(constant="purchase"), c=[1, 2]) == ["purchase", "purchase"]


def test_numbers_and_answers_that_are_none_are_quoted():
    numbers = as_number(Cells(pl.Series(["1e3", " 2 ", "abc", "NaN", "inf", "", "1,000"])))
    assert numbers.values.to_list()[:2] == [1000.0, 2.0]
    assert numbers.faults is not None
    assert [fault is not None for fault in numbers.faults] == [False, False, True, True, True, False, True]
    assert numbers.faults[2] == "'abc' is not a number"
    answers = as_boolean(Cells(pl.Series(["Yes", "0", "maybe", None])))
    assert answers.values.to_list() == [True, False, None, None]
    assert answers.faults is not None
    assert answers.faults[2] == "'maybe' is neither yes nor no"


def test_times_are_read_in_their_zone():
    read = as_time(
        Cells(
            pl.Series(
                [
                    "2011-07-01 10:00:00",
                    "2011-07-01T10:00:00+02:00",
                    "2011-07-01T10:00Z",
                    "2011-01-01",
                    "1300000000",
                    "2011-10-30 01:30",
                    "2011-03-27 01:30:00",
                    "tomorrow",
                ]
            )
        ),
        "Europe/London",
    )
    assert read.values.to_list()[:6] == [
        datetime(2011, 7, 1, 9, tzinfo=UTC),
        datetime(2011, 7, 1, 8, tzinfo=UTC),
        datetime(2011, 7, 1, 10, tzinfo=UTC),
        datetime(2011, 1, 1, tzinfo=UTC),
        datetime(2011, 3, 13, 7, 6, 40, tzinfo=UTC),
        datetime(2011, 10, 30, 0, 30, tzinfo=UTC),
    ]
    assert read.faults is not None
    assert "skipped by a clock change in Europe/London" in read.faults[6]
    assert "'tomorrow' is not a time" in read.faults[7]


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        (Condition(column="n", op="at_least", value=4), [True, False, False]),
        (Condition(column="n", op="is", value=4), [True, False, False]),
        (Condition(column="n", op="not_in", value=(4, 5)), [False, True, True]),
        (Condition(column="n", op="empty"), [False, False, True]),
        (Condition(column="t", op="is", value="a"), [True, False, False]),
        (Condition(column="t", op="is_not", value="a"), [False, True, True]),
    ],
)
def test_rows_are_kept_by_their_condition(condition: Condition, kept: list[bool]):
    frame = pl.DataFrame({"n": ["4.0", "3", ""], "t": ["a", "b", None]})
    assert matches(condition, frame).values.to_list() == kept


def test_a_date_format_nothing_can_match_is_refused():
    with pytest.raises(MappingError, match="date format '%H'"):
        check_formats([Field(column="c", apply=(Operation(date="%H"),))])


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_every_kind_of_file_reads_the_same(tmp_path: Path, ending: str):
    frame = pl.DataFrame(
        {"who": ["p1", "p2"], "kind": ["view", "view"], "when": ["2020-01-01"] * 2, "n": [1, 2]}
    )
    path = tmp_path / f"events.{ending}"
    text = frame.write_csv() if "csv" in ending else frame.write_ndjson()
    if ending == "parquet":
        frame.write_parquet(path)
    else:
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    verify(path)
    chunks = list(read_chunks(path, EVENTS))
    identity = RowIdentity(EVENTS)
    ids = [name for chunk in chunks for name in identity.ids(chunk.frame)]
    # The digest is of what the row says, so that another format is not another event.
    assert ids == ids_of([("p1", "view", 1), ("p2", "view", 2)], 10)
    assert chunks[0].raw(1)["who"] == "p2"


def test_a_broken_row_costs_itself_and_lines_count_the_header(tmp_path: Path):
    path = tmp_path / "events.csv"
    path.write_bytes(
        b"\xef\xbb\xbfwho,kind,when,n\n"
        b"p1,view,2020-01-01,1\n"
        b"p2,view\n"
        b'"p\n3",view,2020-01-01,1\n'
        b"p\xe94,view,2020-01-01,1\n"
        b"p5,view,2020-01-01,1\n"
    )
    (chunk,) = read_chunks(path, EVENTS)
    assert chunk.frame["who"].to_list() == ["p1", "p\n3", "p5"]
    assert chunk.frame["__line"].to_list() == [2, 4, 7]
    damage = {each.line: each.reason for each in chunk.damaged}
    assert damage[3] == "2 cells where the header has 4"
    assert "not UTF-8" in damage[6]
    assert chunk.raw(2)["who"] == "p5"


def test_an_encoding_that_is_named_is_used(tmp_path: Path):
    (tmp_path / "events.csv").write_bytes(b"who,kind,when,n\np\xe9,view,2020-01-01,1\n")
    section = EventsSection(
        file="events.csv", encoding="latin-1", profile="who", type="kind", time="when", quantity="n"
    )
    (chunk,) = read_chunks(tmp_path / "events.csv", section)
    assert chunk.frame["who"].to_list() == ["pé"]


def test_a_json_line_that_is_none_costs_itself(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(
        b'{"who":"p1","kind":"view","when":"2020-01-01","n":1}\n'
        b'{"who":"p2","kind":"view","when":"2020-01-01","n":NaN}\n'
        b"[1]\n\n"
        b'{"who":"p\xff","kind":"view","when":"2020-01-01","n":1}\n'
        b'{"who":"p4","kind":"view","when":"2020-01-01","n":"abc"}\n'
    )
    (chunk,) = read_chunks(path, EVENTS)
    assert chunk.frame["who"].to_list() == ["p1", "p4"]
    assert chunk.frame["n"].to_list() == ["1", "abc"]
    assert [each.line for each in chunk.damaged] == [2, 3, 5]


def test_a_half_written_gzip_names_the_byte_where_it_breaks(tmp_path: Path):
    whole = gzip.compress(b"who,kind,when,n\n" + b"p1,view,2020-01-01,1\n" * 5000)
    path = tmp_path / "events.csv.gz"
    path.write_bytes(whole[:-20])
    with pytest.raises(SourceError, match=rf"breaks at byte {len(whole) - 20:,} of {len(whole) - 20:,}"):
        verify(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("events.parquet", b"PAR1 no", "not a whole Parquet file"),
        ("events.xlsx", b"", "use .csv"),
        ("events.csv.gz", b"plain text", "not a whole gzip"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path: Path, name: str, content: bytes, words: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=words):
        verify(tmp_path / name)
    with pytest.raises(SourceError, match="does not exist"):
        verify(tmp_path / "absent.csv")


def test_a_missing_column_is_named_beside_those_there(tmp_path: Path):
    (tmp_path / "events.csv").write_text("who,kind,at\np1,view,2020-01-01\n")
    with pytest.raises(SourceError, match=r"no column 'when', 'n'; it has 'who', 'kind', 'at'"):
        list(read_chunks(tmp_path / "events.csv", EVENTS))


ROWS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 2)), max_size=30)


def ids_of(rows: list[tuple[str, str, int]], chunk_rows: int) -> list[str]:
    frame = pl.DataFrame(
        {
            "who": [row[0] for row in rows],
            "kind": [row[1] for row in rows],
            "when": ["2020-01-01"] * len(rows),
            "n": [row[2] for row in rows],
        },
        schema={"who": pl.String, "kind": pl.String, "when": pl.String, "n": pl.Int64},
    )
    identity = RowIdentity(EVENTS)
    return [name for part in frame.iter_slices(chunk_rows) for name in identity.ids(part)]


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, order=st.randoms(use_true_random=False), chunk_rows=st.integers(1, 7), more=ROWS)
def test_any_order_or_chunking_of_rows_names_the_same_events(
    rows: list[tuple[str, str, int]], order: object, chunk_rows: int, more: list[tuple[str, str, int]]
):
    names = ids_of(rows, 1000)
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis types its Random as object here
    assert len(set(names)) == len(rows)
    assert set(ids_of(shuffled, chunk_rows)) == set(names)
    # A longer file that holds this one names these rows again, whatever was added.
    assert set(names) <= set(ids_of(rows + more, chunk_rows))


def test_ids_are_the_same_in_every_version_and_process():
    assert ids_of([("a", "x", 1), ("a", "x", 1)], 10) == ids_of([("a", "x", 1), ("a", "x", 1)], 1)
    assert ids_of([("a", "x", 1), ("a", "x", 1)], 10) == [
        "a639ae6b3d85e952a6d54a87",
        "a639ae6b3d85e952a6d54a87.1",
    ]
