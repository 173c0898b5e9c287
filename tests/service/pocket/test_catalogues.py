"""The real catalogues the embedded model is measured on."""

from pathlib import Path

import pytest

from eval.errors import DatasetError
from service.llm.pocket.catalogues import catalogue_digest, read_catalogue


def test_products_are_read_as_a_browser_shows_them(shared_data: Path) -> None:
    gifts = read_catalogue(shared_data, "online_retail")
    assert len(gifts) == 300
    assert (gifts[0].title, gifts[0].description) == ("Inflatable Political Globe", "")
    cards = read_catalogue(shared_data, "gift_cards")
    assert len(cards) == 805
    assert not any("&amp;" in card.title or not card.description.strip() for card in cards)
    assert catalogue_digest("gift_cards").startswith("85b4ec480e9f8930")


def test_another_catalogue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "online_retail").mkdir()
    (tmp_path / "online_retail" / "items.csv.gz").write_text("stock_code,description\n1,GLOBE\n")
    with pytest.raises(DatasetError, match="has other columns: 'is_product'"):
        read_catalogue(tmp_path, "online_retail")
