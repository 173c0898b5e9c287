"""Reading a template's front matter for its author: every problem with its line, not only the first.

Plain YAML only: anchors, aliases, tags and repeated keys are refused, since each of them lets a file say
something other than what it shows.
"""

from collections.abc import Iterator
from typing import Any, cast, get_args, get_origin

import msgspec
import yaml

from prompts.advice import misfit, nearest
from prompts.catalog import FrontMatter, split
from prompts.errors import TemplateError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a prompt."""

    file: str
    """`email/full.v1.md.j2` or `partials/voice.v1.j2`."""
    line: int
    """Counted from 1."""
    rule: str
    """`file`, `front-matter`, `roles`, `syntax`, `sandbox`, `inputs`, `partials` or `example`."""
    reason: str
    """A sentence that quotes what is there, and says what to do."""


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """A front matter as far as it can be read."""

    front: FrontMatter | None
    """None when it has a problem."""
    lines: dict[str, int]
    """The file's line of every key and entry, by path: `$.inputs[2].name`."""
    problems: tuple[Problem, ...] = ()

    def line(self, path: str) -> int:
        """Find the line of a path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


def read_front(file: str, text: str) -> Matter:
    """Read the front matter of a template's text."""
    try:
        matter, _ = split(file, text)
    except TemplateError as error:
        return _unreadable(file, 1, str(error).removeprefix(f"{file}: "))
    try:
        _plain(matter)
        node = yaml.SafeLoader(matter).get_single_node()
        loaded = cast("object", yaml.safe_load(matter))
    except _NotPlain as error:
        return _unreadable(file, error.line + 1, str(error))
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 2
        hint = (
            ": put a text that holds a colon in quotes" if "mapping values" in (error.problem or "") else ""
        )
        return _unreadable(file, line, f"not YAML: {error.problem or error.context}{hint}")
    except (yaml.YAMLError, ValueError) as error:
        return _unreadable(file, 1, f"not YAML: {error}")
    except RecursionError:
        return _unreadable(file, 1, "nested too deep to be read: make it flatter")
    if not isinstance(loaded, dict) or not isinstance(node, yaml.MappingNode):
        return _unreadable(file, 1, "must be `key: value` lines, such as `name: full`")
    lines = dict(_lines(node, "$"))
    repeated = [(line, f"`{key}` stands there twice") for line, key in _repeated(node)]
    found = [*repeated, *_faults(cast("dict[object, object]", loaded), Matter(front=None, lines=lines))]
    problems = tuple(
        Problem(file=file, line=line, rule="front-matter", reason=reason) for line, reason in sorted(found)
    )
    front = None if problems else msgspec.convert(loaded, FrontMatter)
    return Matter(front=front, lines=lines, problems=problems)


class _NotPlain(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _plain(matter: str) -> None:
    loader = cast("Any", yaml.SafeLoader(matter))  # its events have no types
    while loader.check_event():
        event = loader.get_event()
        line: int = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _NotPlain(line, "anchors (`&`) and aliases (`*`) are not read: write the value out")
        if (tag := getattr(event, "tag", None)) is not None:
            raise _NotPlain(line, f"the tag {tag!r} is not read: plain values only")


def _unreadable(file: str, line: int, reason: str) -> Matter:
    problem = Problem(file=file, line=line, rule="front-matter", reason=reason)
    return Matter(front=None, lines={}, problems=(problem,))


def _lines(node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    """Give the line of everything below a node; the front matter begins on the file's second line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = f"{path}.{key.value}"
            yield inner, key.start_mark.line + 2
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            inner = f"{path}[{place}]"
            yield inner, value.start_mark.line + 2
            yield from _lines(value, inner)


def _repeated(node: yaml.Node) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        met: set[str] = set()
        for key, value in node.value:
            if key.value in met:
                yield key.start_mark.line + 2, str(key.value)
            met.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value)


def _faults(loaded: dict[object, object], matter: Matter) -> Iterator[tuple[int, str]]:
    """Convert each key by itself, and each entry of a list, so that one fault does not hide the next."""
    fields = {field.name: field for field in msgspec.structs.fields(FrontMatter)}
    for key in loaded:
        if key not in fields:
            yield matter.line(f"$.{key}"), nearest(f"unknown key `{key}`", str(key), fields)
    for name, field in fields.items():
        if name not in loaded:
            if field.required:
                yield 1, f"`{name}` is missing"
            continue
        for path, value, kind in _pieces(f"$.{name}", loaded[name], field.type):
            try:
                msgspec.convert(value, kind)
            except msgspec.ValidationError as error:
                refused, reason = misfit(error, kind)
                inner = (path + refused.removeprefix("$")).replace("[...]", "", 1)
                yield matter.line(inner), f"`{inner.removeprefix('$.')}`: {reason}"


def _pieces(path: str, value: object, kind: Any) -> Iterator[tuple[str, object, Any]]:
    if get_origin(kind) is tuple and isinstance(value, list):
        for place, entry in enumerate(cast("list[object]", value)):
            yield f"{path}[{place}]", entry, get_args(kind)[0]
    elif get_origin(kind) is dict and isinstance(value, dict):
        for key, entry in cast("dict[object, object]", value).items():
            yield f"{path}.{key}", {key: entry}, kind
    else:
        yield path, value, kind
