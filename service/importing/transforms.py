"""From a file's cells to values, a column at a time: what each cell says, and what is wrong with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import polars as pl
import polars.exceptions

from service.importing.errors import MappingError
from service.importing.mapping import Condition, Field, Operation, Scalar

_TRUE = ("true", "yes", "y", "1")
_FALSE = ("false", "no", "n", "0")
_MICROSECONDS = pl.Datetime("us")
_UTC = pl.Datetime("us", "UTC")
_ISO_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_ZONED_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")


class Cells(msgspec.Struct, frozen=True):
    """A column's values and, beside each, what is wrong with it (null when nothing is)."""

    values: pl.Series
    faults: pl.Series | None = None

    def with_fault(self, bad: pl.Series, shown: pl.Series, complaint: str) -> "Cells":
        """Mark the rows where `bad` holds; `shown` is quoted. The first fault of a row stays."""
        if not bad.any():
            return self
        found = pl.DataFrame({"bad": bad, "shown": as_text(shown)}).select(
            pl.when("bad").then(pl.format("{} " + complaint, _quoted("shown")))
        )
        return Cells(self.values, first_fault([self.faults, found.to_series()]))


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a cleaning rule did to a column: which rows, and what stood there before."""

    done: str
    rows: pl.Series
    before: pl.Series


def first_fault(faults: Sequence[pl.Series | None]) -> pl.Series | None:
    """Give each row's first fault; none when no column has any."""
    found = [fault for fault in faults if fault is not None]
    if not found:
        return None
    frame = pl.DataFrame([fault.alias(str(place)) for place, fault in enumerate(found)])
    return frame.select(pl.coalesce(pl.all()).alias("fault")).to_series()


def _quoted(name: str) -> pl.Expr:
    """Quote a cell, cut where it is long."""
    text = pl.col(name).fill_null("").str.slice(0, 60)
    return pl.format("'{}'", text)


def as_text(values: pl.Series) -> pl.Series:
    """Turn any column into text; a list's texts are joined by `, `; empty text is null."""
    if isinstance(values.dtype, pl.List):
        values = values.list.join(", ")
    elif values.dtype != pl.String:
        values = values.cast(pl.String)
    return values.set(values.str.strip_chars() == "", None)


def as_number(cells: Cells) -> Cells:
    """Float64; finite numbers only."""
    source = cells.values
    if source.dtype.is_numeric():
        values = source.cast(pl.Float64)
    else:
        source = as_text(source)
        values = source.str.strip_chars().cast(pl.Float64, strict=False)
    bad = source.is_not_null() & ~values.is_finite().fill_null(value=False)
    return Cells(values, cells.faults).with_fault(bad, source, "is not a number")


def as_boolean(cells: Cells) -> Cells:
    """Read true/false, yes/no, y/n or 1/0, in any case."""
    source = cells.values
    if source.dtype == pl.Boolean:
        return cells
    text = as_text(source.cast(pl.Int64) if source.dtype.is_float() else source)
    lowered = text.str.strip_chars().str.to_lowercase()
    values = lowered.replace_strict(
        [*_TRUE, *_FALSE],
        [True] * len(_TRUE) + [False] * len(_FALSE),
        default=None,
        return_dtype=pl.Boolean,
    )
    bad = text.is_not_null() & values.is_null()
    return Cells(values, cells.faults).with_fault(bad, text, "is neither yes nor no")


def as_list(cells: Cells) -> Cells:
    """Make a list of texts; a text becomes a list of one."""
    if isinstance(cells.values.dtype, pl.List):
        return cells
    return Cells(
        pl.select(pl.concat_list(pl.lit(as_text(cells.values))).list.drop_nulls()).to_series(), cells.faults
    )


def as_time(cells: Cells, zone: str) -> Cells:
    """Read ISO 8601, with an offset or in `zone`, or seconds or milliseconds since 1970, to UTC microseconds.

    An hour that a clock change repeats means its first pass; one that it skips is a fault.
    """
    source = cells.values
    if isinstance(source.dtype, pl.Datetime) and source.dtype.time_zone:
        return Cells(source.cast(_UTC), cells.faults)
    if source.dtype.is_temporal():
        naive, absolute = source.cast(_MICROSECONDS), pl.Series([None], dtype=_UTC)
    else:
        source = as_text(source)
        naive, absolute = _parsed_times(source)
    local = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    values = pl.select(pl.coalesce(pl.lit(absolute), pl.lit(local.cast(_UTC)))).to_series()
    skipped = naive.is_not_null() & local.is_null()
    unread = source.is_not_null() & values.is_null() & ~skipped
    marked = Cells(values, cells.faults).with_fault(
        unread, source, "is not a time: use ISO 8601 or a `date` format"
    )
    return marked.with_fault(skipped, source, f"is skipped by a clock change in {zone}")


def _parsed_times(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Read (times without a zone, times with one) from text; null where it is not of that kind."""
    plain = text.str.strip_chars()
    iso = plain.str.replace(" ", "T", literal=True)
    naive = [iso.str.to_datetime(each, time_unit="us", strict=False) for each in _ISO_FORMATS]
    dates = iso.str.to_date("%Y-%m-%d", strict=False).cast(_MICROSECONDS)
    zoned = [iso.str.to_datetime(each, time_unit="us", strict=False).cast(_UTC) for each in _ZONED_FORMATS]
    digits = plain.set(~plain.str.contains(r"^\d{9,10}$|^\d{12,13}$"), None)
    scale = pl.when(pl.lit(digits).str.len_bytes() > 10).then(1_000).otherwise(1_000_000)
    epoch = pl.lit(digits).cast(pl.Int64, strict=False) * scale
    absolute = pl.select(pl.coalesce(*map(pl.lit, zoned), epoch.cast(_UTC))).to_series()
    return pl.select(pl.coalesce(*map(pl.lit, naive), pl.lit(dates))).to_series(), absolute


def check_formats(fields: Iterable[Field]) -> None:
    """Refuse a `date` format nothing could ever match. Raises `MappingError`."""
    for field in fields:
        for step in field.apply:
            if isinstance(step, Operation) and step.date is not None:
                try:
                    pl.Series(["0"]).str.to_datetime(step.date, time_unit="us", strict=False)
                except polars.exceptions.PolarsError as error:
                    raise MappingError(f"date format {step.date!r} cannot be used: {error}") from error


def cells_of(field: Field, frame: pl.DataFrame, changes: list[Change] | None = None) -> Cells:
    """Take a field's values from a chunk, transformed, with what went wrong on the way.

    What cleaning rules changed is added to `changes`.
    """
    cells = _source(field, frame)
    for step in field.apply:
        if not isinstance(step, Operation):
            cells = _STEPS[step](cells)
        elif step.clip is None and step.drop is None and step.fill is None:
            cells = _apply_operation(cells, step)
        else:
            cells, change = _cleaned(cells, step)
            if changes is not None:
                changes.append(change)
    return cells


def _cleaned(cells: Cells, rule: Operation) -> tuple[Cells, Change]:
    """Apply a cleaning rule; rows with a fault count as changed by none."""
    if rule.fill is not None:
        filled = _mapped_scalar(rule.fill)
        typed = as_boolean(cells) if filled.dtype == pl.Boolean else cells
        typed = as_number(cells) if filled.dtype == pl.Float64 else typed
        before = typed if filled.dtype != pl.String else Cells(as_text(cells.values), cells.faults)
        rows = before.values.is_null() & _sound(before)
        values = before.values.fill_null(filled[0])
        return Cells(values, before.faults), Change(
            done=f"filled with {rule.fill!r}", rows=rows, before=as_text(cells.values)
        )
    numbers = as_number(cells)
    low, high = rule.clip or rule.drop or (None, None)
    limits = f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"
    clipped = numbers.values.clip(low, high)
    rows = (clipped != numbers.values).fill_null(value=False) & _sound(numbers)
    values, done = (
        (clipped, f"clipped ({limits})")
        if rule.clip
        else (numbers.values.set(rows, None), f"dropped ({limits})")
    )
    return Cells(values, numbers.faults), Change(done=done, rows=rows, before=as_text(cells.values))


def _sound(cells: Cells) -> pl.Series:
    return pl.repeat(True, len(cells.values), eager=True) if cells.faults is None else cells.faults.is_null()


def _mapped_scalar(value: Scalar) -> pl.Series:
    return pl.Series([float(value) if isinstance(value, int) and not isinstance(value, bool) else value])


def _source(field: Field, frame: pl.DataFrame) -> Cells:
    if field.column is not None:
        return Cells(frame[field.column])
    if field.concat is not None:
        texts = pl.DataFrame([as_text(frame[name]).alias(name) for name in dict.fromkeys(field.concat)])
        joined = texts.select(pl.concat_str(field.concat, separator=field.separator, ignore_nulls=True))
        return Cells(joined.to_series())
    if field.multiply is not None:
        factors = [as_number(Cells(frame[name])) for name in field.multiply]
        product = factors[0].values
        for factor in factors[1:]:
            product = product * factor.values
        return Cells(product, first_fault([factor.faults for factor in factors]))
    return Cells(pl.select(pl.lit(field.constant).repeat_by(frame.height).explode()).to_series())


def _on_text(change: Callable[[pl.Series], pl.Series]) -> Callable[[Cells], Cells]:
    """Change a text, or every text of a list."""

    def step(cells: Cells) -> Cells:
        if isinstance(cells.values.dtype, pl.List):
            inner = cells.values.list.eval(pl.element().map_batches(change, return_dtype=pl.String))
            return Cells(inner, cells.faults)
        return Cells(change(as_text(cells.values)), cells.faults)

    return step


def title_case(text: pl.Series) -> pl.Series:
    """Capitalise words, but not the letter after an apostrophe."""
    return (
        text.str.to_titlecase().str.replace_all(r"(['’])S\b", "${1}s").str.replace_all(r"(['’])T\b", "${1}t")
    )


def _first(cells: Cells) -> Cells:
    if isinstance(cells.values.dtype, pl.List):
        return Cells(cells.values.list.first(), cells.faults)
    return cells


_STEPS: Mapping[str, Callable[[Cells], Cells]] = {
    "strip": _on_text(lambda text: text.str.strip_chars()),
    "lower": _on_text(lambda text: text.str.to_lowercase()),
    "upper": _on_text(lambda text: text.str.to_uppercase()),
    "title": _on_text(title_case),
    "first": _first,
    "number": as_number,
    "boolean": as_boolean,
}


def _apply_operation(cells: Cells, operation: Operation) -> Cells:
    if operation.split is not None:
        parts = as_text(cells.values).str.split(operation.split)
        trimmed = parts.list.eval(pl.element().str.strip_chars())
        return Cells(trimmed.list.eval(pl.element().filter(pl.element() != "")), cells.faults)
    if operation.multiply is not None:
        numbers = as_number(cells)
        return Cells(numbers.values * operation.multiply, numbers.faults)
    if operation.date is not None:
        text = as_text(cells.values)
        times = text.str.strip_chars().str.to_datetime(operation.date, time_unit="us", strict=False)
        bad = text.is_not_null() & times.is_null()
        return Cells(times, cells.faults).with_fault(bad, text, f"is not a time of format {operation.date}")
    return _mapped(cells, operation.map or {})


def _mapped(cells: Cells, table: Mapping[str, Scalar | None]) -> Cells:
    kinds = {type(value) for value in table.values() if value is not None}
    text = as_text(cells.values)
    if kinds and kinds <= {int, float}:
        new = [None if value is None else float(value) for value in table.values()]
        rest = text.set(text.is_in(list(table)), None)
        numbers = as_number(Cells(rest, cells.faults))
        listed = text.replace_strict(list(table), new, default=None, return_dtype=pl.Float64)
        return Cells(
            pl.select(pl.coalesce(pl.lit(listed), pl.lit(numbers.values))).to_series(), numbers.faults
        )
    new = [None if value is None else _plain_text(value) for value in table.values()]
    return Cells(text.replace(list(table), pl.Series(new, dtype=pl.String)), cells.faults)


def _plain_text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def matches(condition: Condition, frame: pl.DataFrame) -> Cells:
    """Say for each row whether it is kept; a cell that cannot be compared is a fault, not a no."""
    source = frame[condition.column]
    text = as_text(source)
    if condition.op in ("empty", "not_empty"):
        return Cells(text.is_null() if condition.op == "empty" else text.is_not_null())
    wanted = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in wanted)
    cells = as_number(Cells(source)) if numeric else Cells(text)
    value = pl.lit(cells.values)
    listed = pl.Series(
        [value if numeric else _plain_text(value or "") for value in wanted], dtype=cells.values.dtype
    )
    verdict = pl.select(
        _COMPARISONS[condition.op](value, listed).fill_null(value=condition.op in ("is_not", "not_in"))
    )
    return Cells(verdict.to_series(), cells.faults)


_COMPARISONS: Mapping[str, Callable[[pl.Expr, pl.Series], pl.Expr]] = {
    "is": lambda cell, wanted: cell.is_in(wanted.implode()),
    "in": lambda cell, wanted: cell.is_in(wanted.implode()),
    "is_not": lambda cell, wanted: ~cell.is_in(wanted.implode()),
    "not_in": lambda cell, wanted: ~cell.is_in(wanted.implode()),
    "above": lambda cell, wanted: cell > wanted[0],
    "at_least": lambda cell, wanted: cell >= wanted[0],
    "below": lambda cell, wanted: cell < wanted[0],
    "at_most": lambda cell, wanted: cell <= wanted[0],
}
