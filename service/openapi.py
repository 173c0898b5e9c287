"""How a route says what it is: its scope, its examples and its problems, kept beside the handler as data.

`route(...)` gives the keyword arguments of a Litestar decorator. A test walks the finished application and
fails for an operation that lacks a scope, an example or a problem response.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec
from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from service.problems import PROBLEM_MEDIA_TYPE, STATUS_TITLES, Problem, problem_type

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import (
        SchemaCreator,
    )  # what the plugin is handed has no public name

PUBLIC = "public"
"""The scope of what anyone may see: health, metrics and the documentation."""

NDJSON = "application/x-ndjson"

_KEYS: list[dict[str, list[str]]] = [{"bearer": []}, {"api_key": []}, {"basic": []}]
_ALWAYS = (400, 401, 403, 429, 500)
_IDEMPOTENT = (409, 422)


class LimitedTuples(OpenAPISchemaPlugin):
    """Describes `tuple[X, ...]` with limits as a list of X; Litestar itself allows anything beside an X."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Whether it is one."""
        limits = field_definition.kwarg_definition
        return field_definition.is_tuple and limits is not None and Ellipsis in field_definition.args

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: "SchemaCreator") -> Schema:
        """Describe it."""
        items = schema_creator.for_field_definition(field_definition.inner_types[0])
        return Schema(type=OpenAPIType.ARRAY, items=items)


class ClosedStructs(OpenAPISchemaPlugin):
    """Describes a struct that refuses unknown fields as an object that has none; Litestar leaves it open."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Whether it is one."""
        if field_definition.is_union or not field_definition.is_subclass_of(msgspec.Struct):
            return False
        return _refuses_unknown(field_definition.type_)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: "SchemaCreator") -> Schema:
        """Describe it, by the plugin of Litestar that would; it has no public name."""
        schema = StructSchemaPlugin().to_openapi_schema(field_definition, schema_creator)
        schema.additional_properties = False
        return schema


@dataclass
class Documented(Operation):
    """An operation with its examples; each route has a subclass that holds them (see `route`)."""

    def __post_init__(self) -> None:
        documentation = _DOCUMENTATION[type(self)]
        self.description = documentation.description or self.description
        if documentation.rows is not None:
            self.request_body = _rows_body(documentation.rows, documentation.request)
        elif documentation.request is not None and isinstance(self.request_body, RequestBody):
            for content in self.request_body.content.values():
                content.examples = {"example": Example(value=documentation.request)}
        if documentation.idempotent:
            self.parameters = [*(self.parameters or []), _IDEMPOTENCY_KEY]
        if documentation.conditional:
            self.parameters = [*(self.parameters or []), _IF_NONE_MATCH]
            self.responses = {**(self.responses or {}), "304": _UNCHANGED}
        if documentation.files:
            content = {media: OpenAPIMediaType(schema=_file(media)) for media in documentation.files}
            whole = OpenAPIResponse(description="The file", content=content)
            part = OpenAPIResponse(description="The part of it that was asked for", content=content)
            self.responses = {**(self.responses or {}), "200": whole, "206": part}
        for status, response in (self.responses or {}).items():
            content = getattr(response, "content", None)
            if status.startswith("2") and content and documentation.response is not None:
                for media in cast("Mapping[str, OpenAPIMediaType]", content).values():
                    media.examples = {"example": Example(value=documentation.response)}


@dataclass(frozen=True)
class _Documentation:
    request: Any
    response: Any
    description: str
    idempotent: bool
    conditional: bool
    rows: type[msgspec.Struct] | None
    files: tuple[str, ...]


_DOCUMENTATION: dict[type[Documented], _Documentation] = {}

_IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    param_in="header",
    required=False,
    description="Up to 200 characters. The same key with the same request answers what the first one did.",
    schema=Schema(type=OpenAPIType.STRING, max_length=200),
)

_IF_NONE_MATCH = Parameter(
    name="If-None-Match",
    param_in="header",
    required=False,
    description="The ETag of the last answer to this request. 304 without a body while it would be the same.",
    schema=Schema(type=OpenAPIType.STRING),
)
_UNCHANGED = OpenAPIResponse(description="Nothing changed since the answer with that ETag")


def route(
    scope: str | Sequence[str],
    *,
    summary: str,
    tag: str,
    response: Any = None,
    request: Any = None,
    problems: Sequence[int] = (),
    description: str = "",
    idempotent: bool = False,
    conditional: bool = False,
    rows: type[msgspec.Struct] | None = None,
    audited: bool | None = None,
    confidential: bool = False,
    files: Sequence[str] = (),
) -> dict[str, Any]:
    """Keyword arguments for a Litestar route decorator.

    `scope`: which scopes of a key open it (one is enough; `admin` opens all), or `PUBLIC`.
    `request`, `response`: example bodies. `problems`: statuses it may answer beyond 400, 401, 403,
    429 and 500.
    `conditional`: whether a client may ask only for what it has not seen (`service/etags.py`).
    `rows`: the body is many rows of this kind, as a JSON array or as NDJSON. `audited`: whether each use goes
    on record; by default what is no GET does. `confidential`: the answer holds a secret.
    `files`: the answer is a file, whole or in part, of one of these media types.
    """
    scopes = (scope,) if isinstance(scope, str) else tuple(scope)
    public = scopes == (PUBLIC,)
    statuses = sorted({*problems, *(() if public else _ALWAYS), *(_IDEMPOTENT if idempotent else ()), 500})
    operation = type("Documented", (Documented,), {})
    _DOCUMENTATION[operation] = _Documentation(
        request, response, description, idempotent, conditional, rows, tuple(files)
    )
    return {
        "opt": {
            "scope": scopes,
            "idempotent": idempotent,
            "conditional": conditional,
            "audited": audited,
            "confidential": confidential,
        },
        "operation_class": operation,
        "summary": summary,
        "description": description or summary,
        "tags": [tag],
        "security": None if public else _KEYS,
        "responses": {status: _problem_response(status) for status in statuses},
    }


def _problem_response(status: int) -> ResponseSpec:
    slug, title = STATUS_TITLES[status]
    value = {
        "type": problem_type(slug),
        "title": title,
        "status": status,
        "detail": "What was wrong, and what to do.",
    }
    return ResponseSpec(
        data_container=Problem,
        generate_examples=False,
        description=title,
        media_type=PROBLEM_MEDIA_TYPE,
        examples=[Example(value=value)],
    )


def _file(media: str) -> Schema:
    return Schema(type=OpenAPIType.STRING, content_media_type=media)


def _rows_body(row: type[msgspec.Struct], example: Any) -> RequestBody:
    described = msgspec.json.schema(row)["$defs"][row.__name__]
    one = Schema(
        type=OpenAPIType.OBJECT,
        title=described["title"],
        description=described["description"],
        properties=described["properties"],
        required=described["required"] or None,
        additional_properties=False if _refuses_unknown(row) else None,
    )
    lines = Schema(
        type=OpenAPIType.STRING,
        description="One JSON object per line, each as in the array of `application/json`.",
    )
    return RequestBody(
        required=True,
        content={
            "application/json": OpenAPIMediaType(
                schema=Schema(type=OpenAPIType.ARRAY, items=one),
                examples={"example": Example(value=example)},
            ),
            NDJSON: OpenAPIMediaType(schema=lines),
        },
    )


def _refuses_unknown(struct: type[msgspec.Struct]) -> bool:
    return struct.__struct_config__.forbid_unknown_fields
