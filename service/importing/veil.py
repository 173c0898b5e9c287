"""What of a file's rows is not to be written down in plain: cells that encrypted traits are read from."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from service.importing.mapping import Mapping
from service.importing.model import Reject
from service.importing.rows import Seen
from service.vault import Vault

HIDDEN = "encrypted"
"""What stands in the place of a value."""


class Veil:
    """Hides encrypted traits in what an import sets aside and notes, of all files it reads."""

    def __init__(self, vault: Vault, mapping: Mapping) -> None:
        section = mapping.profiles
        fields = {} if section is None else section.fields()
        self._vault = vault
        self._fields = {f"traits.{name}" for name in vault.names} & fields.keys()
        self._columns = {column for name in self._fields for column in fields[name].columns()}
        for consents in mapping.consent_sections():
            addresses = [field for name, field in consents.fields().items() if name in vault.names]
            self._columns |= {column for field in addresses for column in field.columns()}

    def reject(self, reject: Reject) -> Reject:
        """Return a reject without these values; of a row that could not be taken apart nothing is left."""
        if not self._columns:
            return reject
        raw = self._without(cast("object", reject.raw))
        return msgspec.structs.replace(reject, raw=raw, reason=self._vault.veiled(reject.reason))

    def _without(self, raw: object) -> object:
        if not isinstance(raw, dict):
            return HIDDEN
        cells = cast("dict[str, Any]", raw)
        return {name: HIDDEN if name in self._columns else value for name, value in cells.items()}

    def seen(self, seen: Sequence[Seen]) -> tuple[Seen, ...]:
        """Leave these fields out of what is looked at for odd values."""
        return tuple(each for each in seen if each.name not in self._fields)
