"""The products a suite draws from a catalogue file, read as an import would read them."""

import hashlib
import random
from collections import Counter
from pathlib import Path
from typing import cast

import msgspec

from eval.errors import DatasetError
from eval.suite import DataGrid
from prompts.brief import Product
from service.catalog.model import Item
from service.drafts.facts import product_of
from service.importing.errors import MappingError
from service.importing.mapping import Mapping, load_mapping, parse_mapping
from service.importing.reading import parse_items
from service.importing.sources import verify
from service.importing.transforms import check_formats

CURRENCY = "GBP"
"""Of prices whose mapping names none."""
REASONS_TOLD = 3


class DrawnProducts(msgspec.Struct, frozen=True, kw_only=True):
    """A sample of a catalogue, and what was left out on the way."""

    products: tuple[Product, ...]
    digests: dict[str, str]
    notes: tuple[str, ...]


def draw_products(data: DataGrid, beside: Path, folder: Path | None = None) -> DrawnProducts:
    """Draw a suite's products; paths are relative to `beside`, and `folder` goes before the suite's own.

    The same file, `items` and `seed` draw the same products in the same order, whatever the order of rows.
    Rows that cannot be used are counted with their reasons. Raises `ImportFailed` when file or mapping cannot
    be used, `DatasetError` when no row can.
    """
    mapping = _mapping(data, beside)
    section = mapping.items
    if section is None:
        raise MappingError("the suite's mapping names no items: a suite draws its products from them")
    check_formats(section.fields().values())
    path = (folder or beside / data.folder) / section.file
    verify(path)
    items: dict[str, Item] = {}
    refused: Counter[str] = Counter()
    read = filtered = twice = 0
    for part in parse_items(section, mapping, path, set()):
        read, filtered = read + part.read, filtered + part.filtered
        refused.update(f"line {each.line}: {each.reason}" for each in part.rejects)
        for item in cast("list[Item]", part.rows):
            twice += item.id in items
            items[item.id] = item
    if not items:
        raise DatasetError(
            f"no row of {path} can be used ({read:,} read, {filtered:,} left out by `where`, "
            f"{refused.total():,} refused{_first(refused)}): correct the file or the mapping"
        )
    drawn = random.Random(data.seed).sample(sorted(items), min(data.items, len(items)))  # noqa: S311 -- a sample
    currency = mapping.currency or CURRENCY
    notes = [f"{path.name}: {len(drawn):,} of {len(items):,} products drawn"]
    if len(drawn) < data.items:
        notes.append(f"{path.name}: {data.items:,} products were asked for, it has {len(items):,}")
    if filtered or twice or refused:
        notes.append(
            f"{path.name}: of {read:,} rows {filtered:,} were left out by `where`, {twice:,} repeat an id "
            f"and {refused.total():,} were refused{_first(refused)}"
        )
    return DrawnProducts(
        products=tuple(product_of(items[item], currency) for item in drawn),
        digests={path.name: _digest(path)},
        notes=tuple(notes),
    )


def _mapping(data: DataGrid, beside: Path) -> Mapping:
    if isinstance(data.mapping, str):
        return load_mapping(beside / data.mapping)
    return parse_mapping(data.mapping, name="the suite's mapping")


def _first(refused: Counter[str]) -> str:
    told = list(refused)[:REASONS_TOLD]
    return f": {'; '.join(told)}" + ("; ..." if len(refused) > REASONS_TOLD else "") if told else ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
