"""A text that no row can hold, looked for, filtered by or stored: refused or not there, on both databases."""

import contextlib

import pytest

from indexing.errors import DefinitionError
from service.catalog.actions import get_item, list_items
from service.drafts.actions import get_draft, list_drafts
from service.errors import InvalidInput, NotFound
from service.profiles.actions import get_profile
from service.runtime import Runtime
from service.segments.actions import create_segment, get_segment

pytestmark = pytest.mark.parametrize(
    "text", ["\x00", "a\x00b", "\ud800", "x" * 5000], ids=["nul", "nul inside", "half a character", "long"]
)


async def test_an_id_that_cannot_be_is_not_found_or_refused(runtime: Runtime, text: str):
    for look_up in (get_item, get_profile, get_draft, get_segment):
        with pytest.raises((NotFound, InvalidInput)):
            await look_up(runtime, "shop", text)


async def test_a_filter_that_cannot_be_finds_nothing_or_is_refused(runtime: Runtime, text: str):
    for name in ("text", "item_id", "channel"):
        with contextlib.suppress(InvalidInput):
            assert not (await list_drafts(runtime, "shop", None, 5, **{name: text})).rows
    with contextlib.suppress(InvalidInput):
        assert not (await list_items(runtime, "shop", None, 5, category=text)).rows


async def test_a_definition_that_cannot_be_stored_is_refused_or_kept_whole(runtime: Runtime, text: str):
    definition = {"trait": "plan", "op": "eq", "value": text}
    with contextlib.suppress(InvalidInput, DefinitionError):
        made = await create_segment(runtime, "shop", "odd", definition)
        assert (await get_segment(runtime, "shop", made.id)).definition == definition
