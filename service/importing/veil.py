"""What of a file's rows is not to be written down in plain.

Cells that encrypted traits are read from; and addresses in lists of consents, which name people whom an
erasure would look for by their id.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from service.importing.mapping import Mapping as MappingFile
from service.importing.model import Reject
from service.importing.rows import Seen
from service.vault import Vault

ADDRESSES = {"email", "phone"}
"""Fields of a list of consents."""
HIDDEN, WITHHELD = "encrypted", "withheld"
"""What stands in the place of a value, and of an address."""


class Veil:
    """Hides encrypted traits, and addresses, in what an import sets aside and notes, of all its files."""

    def __init__(self, vault: Vault, mapping: MappingFile) -> None:
        section = mapping.profiles
        fields = {} if section is None else section.fields()
        self._vault = vault
        self._fields = {f"traits.{name}" for name in vault.names} & fields.keys()
        self._columns = {column for name in self._fields for column in fields[name].columns()}
        listed = [each.fields() for each in mapping.consent_sections()]
        self._addresses = {
            column for each in listed for name in ADDRESSES & each.keys() for column in each[name].columns()
        }

    def reject(self, reject: Reject) -> Reject:
        """Return a reject without these values; of a row that could not be taken apart nothing is left."""
        hidden = dict.fromkeys(self._addresses, WITHHELD) if reject.kind == "consents" else {}
        hidden |= dict.fromkeys(self._columns, HIDDEN)
        if not hidden:
            return reject
        raw = _without(cast("object", reject.raw), hidden)
        return msgspec.structs.replace(reject, raw=raw, reason=self._vault.veiled(reject.reason))

    def seen(self, seen: Sequence[Seen]) -> tuple[Seen, ...]:
        """Leave these fields out of what is looked at for odd values."""
        return tuple(each for each in seen if each.name not in self._fields | ADDRESSES)


def _without(raw: object, hidden: Mapping[str, str]) -> object:
    if not isinstance(raw, dict):
        return HIDDEN
    cells = cast("dict[str, Any]", raw)
    return {name: hidden.get(name, value) for name, value in cells.items()}
