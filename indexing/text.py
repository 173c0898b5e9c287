"""What of an item is embedded."""

from __future__ import annotations

from typing import cast

import polars as pl

MAX_CHARACTERS = 4_000
"""More than the encoder reads (256 word pieces), so that a runaway description costs nothing."""


def item_text(
    title: str | None, description: str | None, category: str | None = None, brand: str | None = None
) -> str:
    """Join what is known of an item into one text, the telling parts first; empty when nothing is known.

    Category and brand come before the description, which is the one the encoder may cut.
    """
    parts = (" ".join(part.split()) for part in (title, category, brand, description) if part)
    return ". ".join(part.rstrip(".") for part in parts if part.strip(". "))[:MAX_CHARACTERS]


def item_texts(items: pl.DataFrame) -> list[str]:
    """Give the text of every row of a frame with the columns title, description, category, brand."""
    rows = items.select("title", "description", "category", "brand").iter_rows()
    return [item_text(*cast(tuple[str | None, str | None, str | None, str | None], row)) for row in rows]
