"""The data's quality: what imports and sources say is counted, and cleaning rules are never silent."""

import json
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from service.cli import invoke
from service.events.actions import newest_events
from service.importing.actions import import_folder
from service.importing.errors import MappingError
from service.importing.mapping import Field, Operation, parse_mapping
from service.importing.transforms import Change, cells_of
from service.quality.actions import check_data, list_findings, note_findings
from service.quality.model import Observation, pattern
from service.quality.outliers import fences
from service.quality.store import MOST_PER_SOURCE
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import create_workspace

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAPPING = """
events:
  file: e.csv
  profile: who
  type: kind
  time: at
  quantity: {column: n, apply: [{fill: 1}, {clip: [0, 10]}]}
  value: {column: price, apply: [{drop: [null, 1000]}]}
  properties: {shop: {column: shop, apply: [{fill: web}]}}
"""


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with open_runtime(Settings(data_dir=str(tmp_path / "var")), clock=lambda: NOW) as opened:
        await create_workspace(opened, "default")
        yield opened


async def test_an_import_reports_every_oddity_with_its_count_example_and_what_was_done(
    runtime: Runtime, tmp_path: Path
):
    rows = [f"p{n},buy,2026-01-{1 + n % 28:02},2,{10 + n % 7},web" for n in range(40)]
    rows += ["p1,buy,2026-01-02,,12,", "p2,buy,2026-01-02,99,11,web", "p3,buy,2026-01-02,1,-3,web"]
    rows += ["p4,buy,2026-01-02,1,900,web", "p5,buy,2026-01-02,1,5000,web", "p6,buy,2026-01-02,1,,web"]
    rows += ["p7,buy,someday,1,5,web", rows[0]]
    (tmp_path / "e.csv").write_text("\n".join(["who,kind,at,n,price,shop", *rows]) + "\n")
    (tmp_path / "map.yaml").write_text(MAPPING)
    summary = await import_folder(runtime, "default", tmp_path, tmp_path / "map.yaml")
    assert (summary.events.stored, summary.events.rejected) == (47, 1)
    found = await list_findings(runtime, "default")
    assert {each.source for each in found} == {"import 20261122T120000Z"}
    told = {(each.kind, each.about): (each.count, each.example) for each in found}
    changed = {each.about: (each.count, each.example) for each in found if each.done == "stored as changed"}
    value = "events.value in e.csv"
    assert changed["events.quantity filled with 1 in e.csv"] == (1, "line 42: None")
    assert changed["events.quantity clipped (0 to 10) in e.csv"] == (1, "line 43: 99.0")
    assert changed["events.value dropped ( to 1000) in e.csv"] == (1, "line 46: 5000")
    assert changed["events.properties.shop filled with 'web' in e.csv"][0] == 1
    assert told["missing", value] == (2, "line 46")
    assert told["impossible", f"{value} is below zero"] == (1, "line 44: -3.0")
    (outliers,) = [each for each in found if each.kind == "outlier"]
    assert (outliers.about, outliers.count, outliers.example) == (value, 2, "line 44: -3.0")
    (refused,) = [each for each in found if each.kind == "refused"]
    assert (refused.count, "someday" in refused.example) == (1, True)
    quantities = sorted(each.quantity or 0 for each in await newest_events(runtime, "default", "p2"))
    assert quantities == [2.0, 10.0]
    shops = [each.properties for each in await newest_events(runtime, "default", "p1")]
    assert shops == [{"shop": "web"}] * 2
    now = {(each.kind, each.about): each.count for each in await check_data(runtime, "default", "store")}
    assert now["missing", "events of type buy: item_id"] == 47
    assert now["impossible", "events of type buy: value is below zero"] == 1


@pytest.mark.parametrize(
    ("rule", "after", "changed"),
    [
        ({"clip": [0, 5]}, [0.0, 5.0, None, 3.0], [True, True, False, False]),
        ({"clip": [None, 5]}, [-1.0, 5.0, None, 3.0], [False, True, False, False]),
        ({"drop": [0, None]}, [None, 9.0, None, 3.0], [True, False, False, False]),
        ({"fill": 2}, [-1.0, 9.0, 2.0, 3.0], [False, False, True, False]),
    ],
)
def test_a_cleaning_rule_changes_what_it_says_and_tells(
    rule: dict[str, Any], after: list[Any], changed: list[bool]
):
    frame = pl.DataFrame({"n": ["-1", "9", "", "3"]})
    changes: list[Change] = []
    cells = cells_of(Field(column="n", apply=("number", Operation(**rule))), frame, changes)
    assert cells.values.to_list() == after
    assert changes[0].rows.to_list() == changed


@pytest.mark.parametrize(
    "rule", [{"clip": [None, None]}, {"clip": [5, 1]}, {"drop": []}, {"clip": [1, 2], "fill": 3}]
)
def test_a_rule_that_means_nothing_is_refused(rule: dict[str, Any]):
    event = {"file": "x", "profile": "a", "type": "b", "time": "c", "value": {"column": "v", "apply": [rule]}}
    with pytest.raises(MappingError):
        parse_mapping({"events": event})


def test_the_fences_are_tukeys_and_of_factors_where_all_is_above_zero():
    numbers = np.arange(-50, 51).astype(np.float64)
    low, high = fences(numbers) or (math.nan, math.nan)
    assert (low, high) == (-25 - 150, 25 + 150)
    factors = fences(np.exp(np.linspace(0, 2, 101)).astype(np.float64)) or (math.nan, math.nan)
    assert factors == pytest.approx((math.exp(0.5 - 3), math.exp(1.5 + 3)))
    assert fences(np.ones(100)) is None
    assert fences(numbers[:10]) is None


async def test_findings_of_one_source_add_up_and_do_not_grow_without_end(runtime: Runtime):
    def seen(text: str) -> Observation:
        return Observation(kind="refused", about=pattern(text), done="not stored", example=text)

    for _ in range(2):
        await note_findings(runtime, "default", "key a", [seen("id 'x' is 7 long"), seen("id 'y' is 8 long")])
    (one,) = await list_findings(runtime, "default")
    assert (one.about, one.count, one.example) == ("id … is … long", 4, "id 'x' is 7 long")
    await note_findings(
        runtime, "default", "key a", [seen("q" * n) for n in range(1, 3 * MOST_PER_SOURCE // 2)]
    )
    found = await list_findings(runtime, "default")
    assert len(found) <= MOST_PER_SOURCE + 1
    assert sum(each.count for each in found) == 4 + 3 * MOST_PER_SOURCE // 2 - 1


def test_data_check_prints_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "e.csv").write_text("who,kind,at,n,price,shop\np1,buy,2026-01-02,,12,web\n")
    (folder / "map.yaml").write_text(MAPPING)
    store = ["--data-dir", str(tmp_path / "var")]
    assert invoke([*store, "import", str(folder), "--mapping", str(folder / "map.yaml"), "--json"]) == 0
    capsys.readouterr()
    assert invoke([*store, "data", "check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {(each["source"][:6], each["kind"]) for each in found} == {
        ("store", "missing"),
        ("import", "changed"),
    }
    assert invoke([*store, "data", "check"]) == 0
    assert "filled with 1" in capsys.readouterr().out
