"""The readable page of the API's documentation: plain HTML made from the OpenAPI document.

Litestar's own renderers load their scripts from a content delivery network; this one loads nothing from
anywhere, so it reads the same on a machine without a network.
"""

import json
from typing import Any, cast

from jinja2 import Environment
from litestar import Request
from litestar.constants import OPENAPI_JSON_HANDLER_NAME
from litestar.openapi.plugins import OpenAPIRenderPlugin

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ info.title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #1c1c1c; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: #f4f4f2; padding: .7rem; overflow-x: auto; border-radius: 4px; }
summary { cursor: pointer; padding: .3rem 0; } summary b { display: inline-block; min-width: 4.5rem; }
details { border-bottom: 1px solid #ddd; } details > div { padding: 0 0 1rem 1rem; }
table { border-collapse: collapse; }
td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top; }
nav a { margin-right: .8rem; }
@media (prefers-color-scheme: dark) {
body { background: #161616; color: #e4e4e4; } pre { background: #242424; }
a { color: #9cc4ff; } details { border-color: #333; } }
</style>
</head>
<body>
<h1>{{ info.title }} <small>{{ info.version }}</small></h1>
<p>{{ info.description }}</p>
<p>As a document: <a href="{{ document }}">{{ document }}</a> (OpenAPI {{ version }}).</p>
<nav>{% for tag in tags %}<a href="#{{ tag }}">{{ tag }}</a>{% endfor %}</nav>
{% for tag, operations in tags.items() %}
<h2 id="{{ tag }}">{{ tag }}</h2>
{% for each in operations %}
<details id="{{ each.id }}">
<summary><b>{{ each.method }}</b> <code>{{ each.path }}</code> {{ each.summary }}</summary>
<div>
<p>{{ each.description }}</p>
{% if each.parameters %}<table><tr><th>Parameter</th><th>in</th><th>what</th></tr>
{% for parameter in each.parameters %}<tr>
<td><code>{{ parameter.name }}</code>{% if parameter.required %} *{% endif %}</td>
<td>{{ parameter.in }}</td><td>{{ parameter.description or "" }}</td></tr>{% endfor %}</table>{% endif %}
{% if each.request %}<p>Body, for example</p><pre>{{ each.request }}</pre>{% endif %}
{% for answer in each.answers %}
<p><b>{{ answer.status }}</b> {{ answer.description }}</p>
{% if answer.example %}<pre>{{ answer.example }}</pre>{% endif %}
{% endfor %}
</div></details>
{% endfor %}
{% endfor %}
</body></html>
"""

_METHODS = ("get", "post", "put", "patch", "delete")
_TEMPLATE = Environment(autoescape=True).from_string(_PAGE)


class ReadablePage(OpenAPIRenderPlugin):
    """Renders the OpenAPI document as one page without scripts."""

    def __init__(self) -> None:
        super().__init__(path="/", favicon="")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return render_page(openapi_schema, request.app.route_reverse(OPENAPI_JSON_HANDLER_NAME)).encode()


def render_page(document: dict[str, Any], link: str) -> str:
    """Make the page for an OpenAPI document, which is found at `link`."""
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, item in sorted(document["paths"].items()):
        for method in _METHODS:
            if method in item:
                operation = _operation(path, method, item[method])
                tags.setdefault(operation["tag"], []).append(operation)
    return _TEMPLATE.render(info=document["info"], version=document["openapi"], tags=tags, document=link)


def _operation(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    answers = [
        {
            "status": status,
            "description": answer.get("description", ""),
            "example": _example(answer) if status < "3" else "",
        }
        for status, answer in sorted(operation.get("responses", {}).items())
    ]
    return {
        "id": operation["operationId"],
        "tag": (operation.get("tags") or ["other"])[0],
        "path": path,
        "method": method.upper(),
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": operation.get("parameters", []),
        "request": _example(operation.get("requestBody", {})),
        "answers": answers,
    }


def _example(holder: dict[str, Any]) -> str:
    """Return the first example of a body or response, as text."""
    for content in cast("dict[str, dict[str, Any]]", holder.get("content") or {}).values():
        for example in content.get("examples", {}).values():
            value = example.get("value")
            return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return ""
