"""Many rows in one body: a JSON array, one object, or NDJSON; a bad row is reported and stops nothing."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, cast

import msgspec

from service.counts import Counts, Reject
from service.errors import InvalidInput, TooLarge
from service.openapi import NDJSON
from service.runtime import Runtime
from service.validation import explain

Row = TypeVar("Row")

_RAW_ROWS: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


class Parsed(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """The rows of a body that have the right shape, with their places in it, and the others."""

    rows: list[Row]
    places: list[int]
    rejects: list[Reject]


async def store_rows(
    runtime: Runtime,
    body: bytes,
    media_type: str,
    kind: type[Row],
    store: Callable[[Sequence[Row]], Awaitable[Counts]],
) -> Counts:
    """Parse the rows of a body and store the good ones; the counts cover all, in the body's own places.

    Raises InvalidInput for a body that is no list of rows, TooLarge for more rows than one request may hold.
    """
    parsed = await runtime.run(parse_rows, body, media_type, kind, runtime.settings.max_batch_rows)
    counts = await store(parsed.rows)
    late = [msgspec.structs.replace(reject, row=parsed.places[reject.row]) for reject in counts.rejects]
    veiled = runtime.vault.veiled
    rejects = [msgspec.structs.replace(each, reason=veiled(each.reason)) for each in (*parsed.rejects, *late)]
    return msgspec.structs.replace(
        counts,
        read=counts.read + len(parsed.rejects),
        rejected=counts.rejected + len(parsed.rejects),
        rejects=tuple(sorted(rejects, key=lambda reject: reject.row)),
    )


def parse_rows(body: bytes, media_type: str, kind: type[Row], max_rows: int) -> Parsed[Row]:
    """Split a body into rows and read each; CPU work. Raises InvalidInput and TooLarge."""
    raw = _lines(body) if media_type == NDJSON else _elements(body)
    if len(raw) > max_rows:
        raise TooLarge(f"{len(raw):,} rows in one body: send {max_rows:,} at most, in several requests")
    parsed: Parsed[Row] = Parsed(rows=[], places=[], rejects=[])
    decoder = msgspec.json.Decoder(kind)
    for place, text in enumerate(raw):
        try:
            parsed.rows.append(decoder.decode(text))
            parsed.places.append(place)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            parsed.rejects.append(_reject(place, bytes(text), error, kind))
    return parsed


def _elements(body: bytes) -> Sequence[bytes | msgspec.Raw]:
    if body.lstrip()[:1] == b"{":
        return [body]
    try:
        return _RAW_ROWS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            f"the body is no JSON array of rows ({error}): send one, or one object per line as {NDJSON}"
        ) from None


def _lines(body: bytes) -> list[bytes]:
    return [line for line in body.splitlines() if line.strip()]


def _reject(place: int, text: bytes, error: Exception, kind: type[Any]) -> Reject:
    if not isinstance(error, msgspec.ValidationError):
        return Reject(row=place, id="", reason=f"not JSON: {error}")
    try:
        whole = msgspec.json.decode(text)
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
    ) as later:  # it was refused before its end
        return Reject(row=place, id="", reason=f"not JSON: {later}")
    problem = explain(error, whole, kind)
    identity = cast("dict[str, Any]", whole).get("id", "") if isinstance(whole, dict) else ""
    return Reject(row=place, id=str(identity)[:200], reason=f"{problem.path}: {problem.reason}")
