"""`pitchwright eval recommend`: files read by a mapping, and the figures of a command."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from indexing.world import check_world
from service.cli import invoke
from service.evaluations.worlds import Worlds, read_worlds
from service.importing.errors import ImportFailed

MAPPING = """
items:
  file: items.csv
  where: [{column: sold, op: is, value: 1}]
  id: sku
  title: name
  category: kind
profiles:
  file: log.csv
  rows: many
  id: who
  traits: {town: town}
events:
  file: log.csv
  where: [{column: stars, op: at_least, value: 4}]
  profile: who
  type: {constant: like}
  time: when
  item: sku
  weights: {like: 2}
"""
NOW = datetime(2026, 7, 1, tzinfo=UTC)
HEADER = "who,sku,when,stars,town\n"


def line(who: str, sku: str, day: int, stars: int = 5) -> str:
    return f"{who},{sku},2026-01-{day:02} 10:00:00,{stars},Kent\n"


def history(who: str, first: int, length: int = 10) -> list[str]:
    return [line(who, f"s{(first + step) % 20:02}", 1 + step) for step in range(length)]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    items = ["sku,name,kind,sold\n", *(f"s{row:02},Brass Lamp {row},lamp{row % 3},1\n" for row in range(20))]
    (tmp_path / "items.csv").write_text("".join([*items, "post,Postage,,0\n"]))
    log = [row for who in range(30) for row in history(f"c{who:02}", who)]
    (tmp_path / "log.csv").write_text("".join([HEADER, *log]))
    (tmp_path / "shop.yaml").write_text(MAPPING)
    return tmp_path


def read(shop: Path, test_events: Path | None = None) -> Worlds:
    return read_worlds(shop, shop / "shop.yaml", test_events, NOW, lambda *_: None)


def write_tests(shop: Path, rows: Sequence[str], name: str = "others.csv") -> Path:
    path = shop / name
    text = "".join([HEADER, *rows])
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_rows_are_read_as_the_mapping_says(shop: Path) -> None:
    with (shop / "log.csv").open("a") as log:
        log.write(line("c00", "s19", 20, stars=3))  # left out by `where`
        log.write(line("c00", "post", 20))  # an item that `where` leaves out
        log.write(line("c00", "unheard", 20))
        log.write("c00,s01,yesterday,5,Kent\n")
    worlds = read(shop)
    check_world(worlds.train)
    assert worlds.train.items["id"].to_list() == [f"s{row:02}" for row in range(20)]
    assert worlds.train.items["category"][1] == "lamp1"
    assert worlds.train.events.height == 300
    assert worlds.train.event_weights == {"like": 2}
    assert worlds.train.as_of == datetime(2026, 1, 10, 10, tzinfo=UTC)
    assert json.loads(worlds.train.profiles["traits"][0]) == {"town": "Kent"}
    assert worlds.tests is None
    assert set(worlds.digests) == {"items.csv", "log.csv"}
    refused, unknown = worlds.notes
    assert "yesterday" in refused
    assert "'unheard'" in unknown


@pytest.mark.parametrize("name", ["others.csv", "others.csv.gz"])
def test_a_test_file_has_the_columns_filters_and_items_of_the_mapping(shop: Path, name: str) -> None:
    rows = [*history("new", 3), line("new", "s01", 20, stars=1), line("new", "unheard", 21)]
    worlds = read(shop, write_tests(shop, rows, name))
    assert worlds.tests is not None
    check_world(worlds.tests)
    assert worlds.tests.items is worlds.train.items
    assert worlds.tests.profiles["id"].to_list() == ["new"]
    assert json.loads(worlds.tests.profiles["traits"][0]) == {"town": "Kent"}
    assert worlds.tests.events.height == 10
    assert "new" not in set(worlds.train.profiles["id"])
    assert "'unheard'" in worlds.notes[0]


def test_a_test_file_with_the_columns_of_events_alone_has_no_traits_and_says_so(shop: Path) -> None:
    path = shop / "others.csv"
    rows = [row.rpartition(",")[0] + "\n" for row in history("new", 3)]
    path.write_text("".join(["who,sku,when,stars\n", *rows]))
    worlds = read(shop, path)
    assert worlds.tests is not None
    assert worlds.tests.profiles["traits"].to_list() == ["{}"]
    assert worlds.tests.events.height == 10
    assert "'town'" in worlds.notes[0]


def test_of_several_event_files_the_test_file_is_read_as_the_one_whose_columns_it_has(shop: Path) -> None:
    (shop / "views.csv").write_text("visitor,page,at\nc00,s01,2026-01-03\n")
    views = "\n  - {file: views.csv, profile: visitor, type: {constant: view}, time: at, item: page}\n"
    events = MAPPING.partition("events:\n")[2]
    listed = "  - " + events.strip().replace("\n", "\n  ")
    (shop / "shop.yaml").write_text(MAPPING.partition("events:")[0] + "events:\n" + listed + views)
    path = shop / "others.csv"
    path.write_text("visitor,page,at\nnew,s01,2026-01-03\n")
    worlds = read(shop, path)
    assert worlds.train.events.height == 301
    assert worlds.tests is not None
    assert worlds.tests.events["type"].to_list() == ["view"]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "no events"), (HEADER.encode(), "no events"), (b"who,when\na,b\n", "no column"), (None, "exist")],
    ids=["empty", "header only", "other columns", "missing"],
)
def test_a_test_file_that_is_none_is_refused(shop: Path, content: bytes | None, says: str) -> None:
    path = shop / "others.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImportFailed, match=says):
        read(shop, path)


def test_a_mapping_without_items_is_refused(shop: Path) -> None:
    (shop / "shop.yaml").write_text(MAPPING.partition("profiles:")[1] + MAPPING.partition("profiles:")[2])
    with pytest.raises(ImportFailed, match="need both"):
        read(shop)


@pytest.fixture
def command(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PITCHWRIGHT_EMBEDDER", "offline")
    return ["eval", "recommend", "--data", str(shop), "--mapping", str(shop / "shop.yaml"), "--json"]


@pytest.mark.slow  # it loads the real encoder
def test_the_command_prints_every_method_and_says_what_it_took_out(
    shop: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*history("c00", 0), *history("new1", 4), *history("new2", 9), *history("short", 1, 3)]
    assert invoke([*command, "--test-events", str(write_tests(shop, rows)), "--seed", "3"]) in (0, 1)
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    names = {figure["name"] for figure in report["figures"]}
    assert {"recommend.shop.pitchwright.ndcg@10", "recommend.shop.ease_recent.recall@20"} <= names
    assert report["seed"] == 3
    assert "test events others.csv" in report["data"]
    assert "'c00'" in captured.err
    assert "taken out of training" in captured.err
    assert "29 profiles to learn from, 3 to test on; 1 more" in captured.err


@pytest.mark.parametrize("rows", [["c99,s01,2026-01-01,5,Kent\n"], []], ids=["one item", "nothing"])
def test_a_test_file_that_measures_nothing_ends_with_two(
    shop: Path, command: list[str], rows: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*command, "--test-events", str(write_tests(shop, rows))]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


@pytest.mark.slow
def test_movielens_on_the_command_line(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = (Path(__file__).parents[2] / "eval" / "datasets" / "movielens.yaml").read_text()
    mapping = tmp_path / "movielens.yaml"
    older = "file: movies.csv.gz\n  where: [{column: movie_id, op: below, value: 1500}]"
    mapping.write_text(whole.replace("file: movies.csv.gz", older))  # the rest only takes longer to encode
    folder = shared_data / "movielens_small"
    assert invoke(["eval", "recommend", "--data", str(folder), "--mapping", str(mapping), "--json"]) in (0, 1)
    found = {figure["name"]: figure for figure in json.loads(capsys.readouterr().out)["figures"]}
    assert found["recommend.movielens.popularity.ndcg@10"]["n"] > 60
    assert found["recommend.movielens.pitchwright.ndcg@10"]["goal"] == ">= 0.13"
    assert (
        found["recommend.movielens.ease.ndcg@10"]["value"]
        > found["recommend.movielens.popularity.ndcg@10"]["value"]
        > found["recommend.movielens.mean_text.ndcg@10"]["value"]
    )
    assert found["recommend.movielens.cold_profiles.failed"]["value"] == 0
