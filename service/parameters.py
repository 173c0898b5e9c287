"""Query parameters a route does not know are refused: a misspelt filter must not become no filter."""

import difflib
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from service.errors import InvalidInput
from service.openapi import PUBLIC


def known_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard a route. Raises InvalidInput that names the unknown parameter and the ones there are."""
    if handler.opt.get("scope") == (PUBLIC,):
        return
    declared = handler.parsed_fn_signature.parameters
    known = [
        field.kwarg_definition.name or name
        for name, field in declared.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    ]
    for name in connection.query_params:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            there_are = f"this route takes {', '.join(known)}" if known else "this route takes none"
            raise InvalidInput(f"unknown query parameter {name[:80]!r}: {hint}{there_are}")
