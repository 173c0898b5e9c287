"""What is known of each public data set: files, columns, licence, origin and traps, one YAML file a set."""

from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

import msgspec
import yaml

from eval.errors import DatasetError

_FOLDER = files("eval.datasets") / "descriptions"

Count = Annotated[int, msgspec.Meta(ge=1)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a cell of a column may be; a row with another cell is not read."""

    type: Literal["text", "integer", "number", "date", "time", "instant"]
    """`time` has no zone; `instant` is UTC."""
    format: str | None = None
    """Of a time or instant, as `strftime` writes it; none: ISO with a blank, to the second."""
    may_be_empty: bool = False
    at_least: float | None = None
    at_most: float | None = None
    not_above: str | None = None
    """Another column no cell may exceed in its row."""
    values: tuple[str | int, ...] = ()
    """All there are; none listed: any."""
    pattern: str | None = None
    """A regular expression texts match."""
    repeat: Count | None = None
    """Stands for so many columns, numbered from 0 where the name has `{}`."""
    about: str = ""
    """What it means, in which unit, where the name does not say it."""


class DataFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a set, in the version the figures of this project were measured on."""

    name: str
    rows: Count
    bytes: Count
    sha256: Sha256
    columns: dict[str, Column]

    def each_column(self) -> dict[str, Column]:
        """Return the columns in the file's order, repeated ones under their own names."""
        return {
            name.format(place) if column.repeat else name: column
            for name, column in self.columns.items()
            for place in range(column.repeat or 1)
        }


class Dataset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public data set."""

    name: str
    title: str
    use: str
    licence: str
    origin: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    """Addresses where the public gets it."""
    cite: str
    copied_from: tuple[str, ...]
    """Repository, path and commit the files were taken from."""
    changes: str
    """How the listed files differ from what the origin offers."""
    traps: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    """What misleads whoever does not know it."""
    files: Annotated[tuple[DataFile, ...], msgspec.Meta(min_length=1)]

    def file(self, name: str) -> DataFile:
        """Find a file by name; raises `DatasetError` when the set has none of it."""
        for one in self.files:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.files)
        raise DatasetError(f"{self.name} has no file {name!r}: use one of {known}")


@cache
def dataset(name: str) -> Dataset:
    """Look up a set by name; raises `DatasetError` when none is called that."""
    if name not in names():
        raise DatasetError(f"there is no data set {name!r}: use one of {', '.join(names())}")
    content: Any = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return msgspec.convert({"name": name, **content}, Dataset)


@cache
def names() -> tuple[str, ...]:
    """Name every set, sorted."""
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in _FOLDER.iterdir()))
