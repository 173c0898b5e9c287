"""JSON Schemas of a suite and of a result, for editors and for programs that read results.

The committed files are what these functions answer; a test says so. What a field means is read off the text
under it in the source, so that an editor shows the same words.
"""

import ast
import functools
import inspect
import itertools
import textwrap
from typing import Any, cast, get_args

import msgspec

from eval.measures import Sample
from eval.result import SuiteResult
from eval.suite import Suite

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAMES = {"suite": Suite, "result": SuiteResult, "sample": Sample}


def schema(name: str) -> dict[str, Any]:
    """Describe the documents called `suite`, `result` or `sample` as JSON Schema 2020-12."""
    return schema_of(NAMES[name], name)


def schema_of(kind: Any, name: str) -> dict[str, Any]:
    """Describe the documents a struct reads, which are called so."""
    document: dict[str, Any] = {
        "$schema": DIALECT,
        "title": f"Pitchwright {name}",
        **msgspec.json.schema(kind),
    }
    described: dict[str, dict[str, str]] = {}
    for each in _structs(kind, set()):
        described[each.__name__] = _texts_of_fields(each)
    for struct, definition in document["$defs"].items():
        for field, described_field in definition.get("properties", {}).items():
            text = described.get(struct, {}).get(field)
            if text:
                described_field["description"] = text
    return _portable(document)


def encode_schema(name: str) -> str:
    """Write a schema as it is committed: indented, a line at the end."""
    return written(schema(name))


def written(document: dict[str, Any]) -> str:
    """Write a schema as people read it."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _portable(value: Any) -> Any:
    r"""Put texts on one line, and patterns as ECMAScript reads them: `$` ends a text, `\Z` is a letter."""
    if isinstance(value, dict):
        return {key: _portable(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_portable(inner) for inner in cast("list[Any]", value)]
    return " ".join(value.replace(r"\Z", "$").split()) if isinstance(value, str) else value


def _structs(kind: Any, seen: set[Any]) -> set[Any]:
    """Collect every struct a type holds."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in seen:
            seen.add(kind)
            for field in msgspec.structs.fields(kind):
                _structs(field.type, seen)
    else:
        for inner in get_args(kind):
            _structs(inner, seen)
    return seen


@functools.cache
def _texts_of_fields(kind: type) -> dict[str, str]:
    """Read the texts under a struct's fields, and those it inherits."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each in (object, msgspec.Struct) or not issubclass(each, msgspec.Struct):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for field, below in itertools.pairwise(lines):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                found[field.target.id] = " ".join(below.value.value.split())
    return found
