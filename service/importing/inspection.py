"""What is odd about a file's values: missing, impossible and far out, and what cleaning rules changed."""

from collections.abc import Iterable

import msgspec
import polars as pl

from service.importing.model import RejectReason
from service.importing.reading import Origin
from service.importing.rows import Seen
from service.quality.model import Kind, Observation
from service.quality.outliers import fences

_NEVER_NEGATIVE = {"events.value", "events.quantity"}


class Inspection:
    """Looks at the fields of an import, chunk after chunk; of numbers it keeps all, with their lines."""

    def __init__(self) -> None:
        self._found: dict[tuple[Kind, str, str], Observation] = {}
        self._numbers: dict[tuple[str, str], list[pl.DataFrame]] = {}

    def add(self, origin: Origin, seen: Iterable[Seen]) -> None:
        """Look at one chunk's fields."""
        for field in seen:
            name = f"{origin.kind}.{field.name}"
            about = f"{name} in {origin.file}"
            lines = pl.Series("line", origin.lines, dtype=pl.Int64).gather(field.places)
            if not field.required:
                self._note("missing", about, "kept without it", lines.filter(field.values.is_null()), None)
            for change in field.changes:
                changed = change.before.filter(change.rows)
                ruled = f"{name} {change.done} in {origin.file}"
                self._note("changed", ruled, "stored as changed", lines.filter(change.rows), changed)
            if field.values.dtype.is_numeric():
                numbers = pl.DataFrame({"line": lines, "value": field.values.cast(pl.Float64)}).drop_nulls()
                self._numbers.setdefault((name, origin.file), []).append(numbers)

    def observations(self) -> list[Observation]:
        """Say what was found, now that all numbers are known."""
        for (name, file), parts in self._numbers.items():
            about, numbers = f"{name} in {file}", pl.concat(parts)
            if name in _NEVER_NEGATIVE:
                below = numbers.filter(pl.col("value") < 0)
                self._note(
                    "impossible", f"{about} is below zero", "kept as it came", below["line"], below["value"]
                )
            within = fences(numbers["value"].to_numpy())
            if within is not None:
                low, high = within
                out = numbers.filter(~pl.col("value").is_between(low, high))
                done = f"kept as it came; far outside is below {low:g} or above {high:g}"
                self._note("outlier", about, done, out["line"], out["value"])
        return list(self._found.values())

    def _note(self, kind: Kind, about: str, done: str, lines: pl.Series, values: pl.Series | None) -> None:
        if lines.is_empty():
            return
        example = f"line {lines[0]}" + ("" if values is None else f": {values[0]}")
        one = Observation(kind=kind, about=about[:200], done=done, example=example[:300], count=len(lines))
        key = (kind, about, done)
        known = self._found.get(key)
        self._found[key] = (
            one if known is None else msgspec.structs.replace(known, count=known.count + one.count)
        )


def refused(reason: RejectReason) -> Observation:
    """Turn a reason rows were rejected for into an observation."""
    return Observation(
        kind="refused",
        about=f"{reason.kind} in {reason.file}: {reason.reason}"[:200],
        done="not stored; the rows are in rejects.jsonl",
        example=f"line {reason.line}: {reason.example}"[:300],
        count=reason.count,
    )
