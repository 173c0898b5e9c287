"""Errors as RFC 9457 problem details: the only place that knows which error is which status.

Every error of the packages' trees has a row in `PROBLEMS`; a subclass without one takes its parent's.
Anything else is a 500 that carries an id and no word of what happened; the log line of that id holds the
traceback.
"""

from typing import Any, cast

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from indexing import errors as indexing_errors
from prompts import errors as prompt_errors
from service import errors as service_errors
from service.telemetry import request_id
from service.validation import FieldProblem, cut, reason_and_path, told, value_at

PROBLEM_MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    """The path that was asked."""
    request_id: str = ""
    """The id of this request, as in the access log."""
    errors: tuple[FieldProblem, ...] = ()


class Kind(msgspec.Struct, frozen=True):
    """What all problems of one kind share."""

    status: int
    slug: str
    title: str
    retry_after_seconds: int | None = None
    hint: str = ""
    """What to do next, where the error's message cannot know it."""


_BUILD = "Build one with POST /v1/snapshots or `pitchwright index build`."
_LANGUAGE = (
    "Set PITCHWRIGHT_ENGINE_URL to a server with an instruct model that writes this language, "
    "or ask for one it knows."
)
_INSTRUCT = "Set PITCHWRIGHT_ENGINE_URL to a server with an instruct model."

PROBLEMS: dict[type[Exception], Kind] = {
    prompt_errors.LanguageError: Kind(
        422, "language-not-supported", "The engine does not write this language", hint=_LANGUAGE
    ),
    prompt_errors.BriefError: Kind(422, "brief-not-writable", "The brief cannot be written"),
    prompt_errors.SlotError: Kind(422, "slot-not-resolved", "A fact slot or merge tag cannot be resolved"),
    prompt_errors.LengthError: Kind(422, "copy-too-long", "The copy is longer than its channel takes"),
    prompt_errors.TemplateError: Kind(500, "template-broken", "A prompt template is broken"),
    prompt_errors.EngineTooSmall: Kind(
        422, "larger-model-needed", "A larger model is needed", hint=_INSTRUCT
    ),
    prompt_errors.OutputError: Kind(502, "engine-output", "The engine's answer is not usable"),
    prompt_errors.EngineUnavailable: Kind(503, "engine-unavailable", "The engine is down", 5),
    prompt_errors.EngineOverloaded: Kind(
        429, "engine-overloaded", "The engine takes no more work for now", 2
    ),
    prompt_errors.EngineTimeout: Kind(504, "engine-timeout", "The engine did not answer in time"),
    prompt_errors.EngineError: Kind(502, "engine-failed", "The engine did not answer"),
    indexing_errors.SnapshotMissing: Kind(409, "no-snapshot", "No snapshot has been built yet", hint=_BUILD),
    indexing_errors.SnapshotCorrupt: Kind(503, "snapshot-corrupt", "The snapshot is damaged", 5, hint=_BUILD),
    indexing_errors.SnapshotError: Kind(503, "snapshot-failed", "The snapshot cannot be used", 5),
    indexing_errors.EmbedderError: Kind(
        503, "embedder-unavailable", "The sentence encoder cannot be used", 5
    ),
    indexing_errors.BudgetError: Kind(503, "index-too-large", "The memory allowed for an index is too small"),
    indexing_errors.VectorError: Kind(503, "vectors-not-indexed", "The vectors cannot be indexed"),
    indexing_errors.DefinitionError: Kind(
        422, "definition-not-valid", "The audience definition cannot be evaluated"
    ),
    indexing_errors.ClusterError: Kind(503, "cluster-unavailable", "Ray cannot be used", 5),
    indexing_errors.GroupingError: Kind(422, "groups-not-found", "The profiles cannot be put into groups"),
    indexing_errors.NotFound: Kind(404, "not-found", "Not found"),
    service_errors.TooLarge: Kind(413, "too-large", "The body is too large"),
    service_errors.TooSlow: Kind(408, "too-slow", "The body did not arrive in time"),
    service_errors.RangeNotSatisfiable: Kind(416, "range-not-satisfiable", "The file has no such part"),
    service_errors.NotUnderstood: Kind(422, "not-understood", "No rule could be made of the text"),
    service_errors.PromptNotValid: Kind(422, "prompt-not-valid", "The prompt does not pass its checks"),
    service_errors.PreconditionMissing: Kind(428, "if-match-missing", "If-Match is needed"),
    service_errors.InvalidInput: Kind(400, "not-valid", "The request is not valid"),
    service_errors.Gone: Kind(410, "gone", "It is no longer here"),
    service_errors.NotFound: Kind(404, "not-found", "Not found"),
    service_errors.BuildRunning: Kind(409, "build-running", "A snapshot is being built already", 10),
    service_errors.PreconditionFailed: Kind(412, "changed-meanwhile", "It was changed meanwhile"),
    service_errors.RequestInProgress: Kind(
        409, "request-in-progress", "The same request is being worked on", 2
    ),
    service_errors.KeyReused: Kind(
        422, "idempotency-key-reused", "The idempotency key belongs to another request"
    ),
    service_errors.Conflict: Kind(409, "conflict", "The request conflicts with what is there"),
    service_errors.Unauthenticated: Kind(401, "key-missing", "An API key is needed"),
    service_errors.Forbidden: Kind(403, "scope-missing", "The API key does not open this"),
    service_errors.BudgetSpent: Kind(429, "privacy-budget-spent", "The privacy budget of today is spent"),
    service_errors.RateLimited: Kind(429, "too-many", "Too many requests"),
    service_errors.Overloaded: Kind(429, "overloaded", "The service takes no more work for now", 2),
    service_errors.ExtraMissing: Kind(503, "extra-missing", "An optional package is not installed"),
    service_errors.TraitsLocked: Kind(503, "traits-locked", "Encrypted traits cannot be opened"),
    service_errors.DatabaseUnavailable: Kind(503, "database-unavailable", "The database cannot be used", 5),
    service_errors.DependencyError: Kind(503, "unavailable", "Not available for now", 5),
}

_HTTP: dict[int, tuple[str, str]] = {
    400: ("not-valid", "The request is not valid"),
    401: ("key-missing", "An API key is needed"),
    403: ("scope-missing", "The API key does not open this"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "This path does not take that method"),
    408: ("too-slow", "The body did not arrive in time"),
    409: ("conflict", "The request conflicts with what is there"),
    410: ("gone", "It is no longer here"),
    412: ("changed-meanwhile", "It was changed meanwhile"),
    413: ("too-large", "The body is too large"),
    415: ("media-type", "This media type is not read here"),
    416: ("range-not-satisfiable", "The file has no such part"),
    422: ("not-processable", "The request is well formed and cannot be done"),
    428: ("if-match-missing", "If-Match is needed"),
    429: ("too-many", "Too many requests"),
    500: ("internal", "Something went wrong here"),
    502: ("engine-failed", "The engine did not answer"),
    503: ("unavailable", "Not available for now"),
    504: ("engine-timeout", "The engine did not answer in time"),
}
STATUS_TITLES = _HTTP

_BODY = "$.data"


def problem_type(slug: str) -> str:
    """Return the URI that names a kind of problem."""
    return f"urn:pitchwright:problem:{slug}"


def kind_of(error: Exception) -> Kind:
    """Find the kind of problem an error is: its own row, or its nearest parent's."""
    for ancestor in type(error).__mro__:
        if ancestor in PROBLEMS:
            return PROBLEMS[ancestor]
    status = error.status_code if isinstance(error, HTTPException) else 500
    slug, title = _HTTP.get(status, _HTTP[400] if status < 500 else _HTTP[500])
    return Kind(status, slug, title)


class ProblemHandler:
    """Litestar's exception handler for everything: answers with a problem, and logs the unexpected."""

    def __init__(self, logger: structlog.typing.FilteringBoundLogger) -> None:
        self._logger = logger

    def __call__(self, request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
        error = _of_the_caller(request, error)
        problem = self.describe(request, error)
        return Response(
            problem,
            status_code=problem.status,
            media_type=PROBLEM_MEDIA_TYPE,
            headers=_headers(kind_of(error), error),
        )

    def describe(self, request: Request[Any, Any, Any], error: Exception) -> Problem:
        """Make the problem an error is, and log one that nobody expects."""
        kind, identity = kind_of(error), request_id(cast("dict[str, Any]", request.scope))
        errors = _problems_of(request, error)
        if kind.status >= 500 and type(error) not in PROBLEMS:
            self._logger.error("unexpected error", request_id=identity, exc_info=error)
        return Problem(
            type=problem_type(kind.slug),
            title=kind.title,
            status=kind.status,
            detail=_detail(kind, error, errors, identity),
            instance=request.url.path,
            request_id=identity,
            errors=errors,
        )


def _of_the_caller(request: Request[Any, Any, Any], error: Exception) -> Exception:
    """Tell a body that msgspec could not read, for which it raises Python's errors, from a fault of ours."""
    if isinstance(error, RecursionError) and "deserializing" in str(error):
        return service_errors.InvalidInput("the body is nested too deep to be read: send a flatter one")
    body = cast("bytes | None", request.scope["state"].get("body"))
    if isinstance(error, UnicodeDecodeError) and body and error.object in body:
        return service_errors.InvalidInput(f"the body is not UTF-8 ({error}): send it as UTF-8")
    return error


def _detail(kind: Kind, error: Exception, errors: tuple[FieldProblem, ...], identity: str) -> str:
    if errors:
        return "; ".join(f"{each.path}: {each.reason}" for each in errors)
    if kind.slug == "internal":
        return f"The service failed in a way it did not expect. Its log says more under the id {identity}."
    message = error.detail if isinstance(error, HTTPException) else str(error)
    hint_known = not kind.hint or any(
        word in message for word in ("PITCHWRIGHT_ENGINE_URL", "POST /v1/snapshots")
    )
    return message if hint_known else f"{message.rstrip('.')}. {kind.hint}"


def _headers(kind: Kind, error: Exception) -> dict[str, str]:
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="pitchwright"'
    if isinstance(error, service_errors.RateLimited):
        headers |= error.headers
    if kind.retry_after_seconds is not None:
        headers["Retry-After"] = str(kind.retry_after_seconds)
    return headers


def _problems_of(request: Request[Any, Any, Any], error: Exception) -> tuple[FieldProblem, ...]:
    if isinstance(error, service_errors.PromptNotValid):
        return error.problems
    return _field_problems(request, error) if isinstance(error, ValidationException) else ()


def _field_problems(request: Request[Any, Any, Any], error: ValidationException) -> tuple[FieldProblem, ...]:
    """Say what the validation refused, with the value that stood there; it stops at the first one."""
    cause = error.__cause__
    if not isinstance(cause, msgspec.ValidationError):
        return ()
    reason, path = reason_and_path(cause)
    if path == _BODY or path.startswith((f"{_BODY}.", f"{_BODY}[")):
        path = "$" + path.removeprefix(_BODY)
        value = value_at(_decoded(request.scope["state"].get("body")), path)
        kind, place = _kind_of(request, "data"), path
    else:
        path = path.removeprefix("$.")
        value = request.query_params.get(path, request.path_params.get(path))
        kind, place = _kind_of(request, path), "$"
    return (FieldProblem(path=path, reason=told(reason, value, kind, place), value=cut(value)),)


def _kind_of(request: Request[Any, Any, Any], parameter: str) -> Any:
    """Return the type of a parameter of the route's handler; none when it has no such parameter."""
    found = request.route_handler.parsed_fn_signature.parameters.get(parameter)
    return None if found is None else found.annotation


def _decoded(body: Any) -> Any:
    try:
        return msgspec.json.decode(cast("bytes", body))
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError):
        return None
