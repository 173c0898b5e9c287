"""Ids for events whose source has none: a digest of the row and its ordinal among identical rows."""

from hashlib import blake2b

import polars as pl

from service.importing.mapping import EventsSection

_DIGEST_BYTES = 12
"""96 bits: among a billion different rows the chance of one collision is below one in 10^10."""

_BETWEEN = "\x1e"
_NOTHING = "\x00"


class RowIdentity:
    """Names the rows of one file, chunk after chunk.

    The digest is blake2b over the text of the columns the events section takes values from, by column
    name, and over its constants; so it depends neither on the order of rows, columns or chunks nor on a
    library's version. The n-th repeat of a row gets `.n`: real repeats are kept, and a second import of
    the file, or of a longer one that holds it, gives the same ids again.
    """

    def __init__(self, section: EventsSection) -> None:
        fields = section.fields()
        self._columns = sorted({column for field in fields.values() for column in field.columns()})
        constants = {name: field.constant for name, field in fields.items() if field.constant is not None}
        self._prefix = _BETWEEN.join(f"{name}={value}" for name, value in sorted(constants.items()))
        self._seen: dict[bytes, int] = {}

    def ids(self, frame: pl.DataFrame) -> pl.Series:
        """Name the next rows of the file, in its order; `frame` has the file's columns."""
        texts = pl.DataFrame([_canonical(frame[column]).alias(column) for column in self._columns])
        whole = texts.select(pl.concat_str(pl.all().fill_null(_NOTHING), separator=_BETWEEN)).to_series()
        start = blake2b((self._prefix + _BETWEEN).encode(), digest_size=_DIGEST_BYTES)
        ids: list[str] = []
        for text in whole.to_list():
            state = start.copy()
            state.update(text.encode())
            digest = state.digest()
            before = self._seen.get(digest, 0)
            self._seen[digest] = before + 1
            ids.append(f"{digest.hex()}.{before}" if before else digest.hex())
        return pl.Series("id", ids, dtype=pl.String)


def _canonical(values: pl.Series) -> pl.Series:
    """Text that Python's own rules fix: floats by `repr`, times as microseconds since 1970."""
    kind = values.dtype
    if kind.is_float():
        floats = [None if value is None else repr(value) for value in values.to_list()]
        return pl.Series(floats, dtype=pl.String)
    if kind.is_temporal():
        return values.cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.String)
    if isinstance(kind, pl.List):
        return values.list.join(_NOTHING)
    return values.cast(pl.String)
