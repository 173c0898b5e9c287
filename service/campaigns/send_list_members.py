"""The members of a send list, read from the store as it is now: addresses, and what copy shows of them."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl
from sqlalchemy.ext.asyncio import AsyncSession

from prompts.personal import value_text
from service.campaigns.send_list_filling import ADDRESSES, MERGED, TAG
from service.db import find_rows
from service.profiles.tables import ProfileRow
from service.vault import Vault

_COLUMNS = f"id, CAST(traits AS TEXT), {MERGED}"
Stored = tuple[str, str, str | None]
"""A profile's id, its traits as JSON text, and whom it was merged into."""


class MemberReader:
    """Reads some traits of many profiles; the others are not even decoded."""

    def __init__(self, vault: Vault, names: Sequence[str]) -> None:
        """Read addresses, and the traits of these names."""
        self._vault = vault
        self._names = tuple(dict.fromkeys((*ADDRESSES, *names)))
        # Traits have any name; attributes do not.
        self._attributes = {f"trait{place}": name for place, name in enumerate(self._names)}
        fields = [(attribute, Any, None) for attribute in self._attributes]
        self._decode = msgspec.json.Decoder(
            msgspec.defstruct("Wanted", fields, rename=self._attributes, gc=False)
        ).decode

    async def stored(self, session: AsyncSession, workspace: str, ids: Sequence[str]) -> list[Stored]:
        """Ask the store for these profiles, by id; one that is erased is not there."""
        rows = await find_rows(session, ProfileRow, _COLUMNS, workspace, ids)
        return [(row[0], row[1], row[2]) for row in rows]

    def columns(self, rows: Sequence[Stored]) -> pl.DataFrame:
        """Lay profiles out as `SendList.fill` takes them; CPU work. Raises TraitsLocked."""
        people = [self._decode(text) for _, text, _ in rows]
        shown = {
            f"{TAG}{name}": [self._shown(value) for value in map(attrgetter(attribute), people)]
            for attribute, name in self._attributes.items()
        }
        data = {"profile_id": [row[0] for row in rows], MERGED: [row[2] for row in rows], **shown}
        return pl.DataFrame(data, schema=dict.fromkeys(data, pl.String()))

    def _shown(self, value: Any) -> str | None:
        return value_text(value if self._vault.idle else self._vault.opened({"": value})[""])
