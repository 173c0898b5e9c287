from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eval.errors import DatasetError
from eval.suite import DataGrid, parse_suite
from service.evaluations.suite_products import draw_products
from service.importing.errors import ImportFailed

MAPPING: dict[str, Any] = {"items": {"file": "products.csv", "id": "sku", "title": "name", "price": "price"}}
HEADER = "sku,name,price\n"
ROWS = [f"s{place},Mug {place},{place + 1}.50\n" for place in range(30)]


def grid(**changes: Any) -> DataGrid:
    data = {
        "folder": "shop",
        "mapping": MAPPING,
        "items": 4,
        "channels": ["push"],
        "audiences": [{"name": "all"}],
    }
    found = parse_suite({"name": "drawn", "version": 1, "data": data | changes}).data
    assert found is not None
    return found


def shop(folder: Path, text: str) -> Path:
    (folder / "shop").mkdir(exist_ok=True)
    (folder / "shop" / "products.csv").write_text(text, encoding="utf-8")
    return folder


def test_the_same_seed_draws_the_same_products_whatever_the_order_of_rows(tmp_path: Path) -> None:
    first = draw_products(grid(), shop(tmp_path, HEADER + "".join(ROWS)))
    again = draw_products(grid(), shop(tmp_path, HEADER + "".join(reversed(ROWS))))
    assert [item.id for item in first.products] == [item.id for item in again.products]
    assert first.digests != again.digests
    assert first.products[0].price is not None
    assert first.products[0].price.startswith("£")
    other = draw_products(grid(seed=1), tmp_path)
    assert [item.id for item in other.products] != [item.id for item in first.products]
    assert "4 of 30 products drawn" in first.notes[0]


def test_rows_that_cannot_be_used_are_counted_with_their_reasons(tmp_path: Path) -> None:
    odd = ["s1,Mug again,3\n", ",No id,3\n", "s90,Two cells\n", "s91,Priced in words,cheap\n"]
    drawn = draw_products(grid(items=100), shop(tmp_path, HEADER + "".join(ROWS + odd)))
    assert "100 products were asked for" in drawn.notes[1]
    told = drawn.notes[2]
    assert told.startswith("products.csv: of 34 rows")
    assert "1 repeat an id" in told
    assert "line 33: " in told
    assert len(drawn.products) == 30


def test_other_columns_are_refused_naming_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match=r"no column 'sku', 'name', 'price'; it has 'id', 'title'"):
        draw_products(grid(), shop(tmp_path, "id,title\n1,Mug\n"))


@pytest.mark.parametrize("text", ["", HEADER, HEADER + ",,\n"])
def test_an_empty_data_set_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises((DatasetError, ImportFailed), match=r"can be used|no column"):
        draw_products(grid(), shop(tmp_path, text))


def test_what_is_missing_or_of_no_use_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="does not exist"):
        draw_products(grid(), tmp_path)
    with pytest.raises(ImportFailed, match="did you mean `title`"):
        draw_products(grid(mapping={"items": {"file": "a.csv", "id": "sku", "titel": "name"}}), tmp_path)
    with pytest.raises(ImportFailed, match="names no items"):
        draw_products(grid(mapping={"profiles": {"file": "a.csv", "id": "sku"}}), tmp_path)


def test_a_mapping_file_and_parquet_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text("items: {file: p.parquet, id: sku, title: name}", encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    pl.DataFrame({"sku": ["a"], "name": ["Kanne"]}).write_parquet(elsewhere / "p.parquet")
    drawn = draw_products(grid(mapping="mapping.yaml"), tmp_path, elsewhere)
    assert [item.title for item in drawn.products] == ["Kanne"]
