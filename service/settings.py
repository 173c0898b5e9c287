"""Every setting, read once into one frozen value from `PITCHWRIGHT_*` variables and `pitchwright.toml`."""

import difflib
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit, urlunsplit

import msgspec

from prompts.engine import Dialect
from service.errors import SettingsError
from service.worker_settings import WorkerSettings

PREFIX = "PITCHWRIGHT_"
FILE_NAME = "pitchwright.toml"
SECRETS = frozenset({"engine_api_key", "trait_keys"})
"""Fields whose value is never shown."""

ELSEWHERE = frozenset({"PITCHWRIGHT_SHARED_DATA"})
"""Variables that share the prefix but are not settings: the folder of public data sets, for tests."""

HostEntry = Annotated[
    str, msgspec.Meta(pattern=r"^(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?\Z")
]
"""`HOST`, `*.HOST`, either with `:PORT`; an IPv6 address in brackets."""

LogLevel = Literal["debug", "info", "warning", "error"]


def setting(text: str, **limits: Any) -> msgspec.Meta:
    """Document a field; the text is data, so that `--help` and the README can be checked against it."""
    return msgspec.Meta(description=text, **limits)


class Settings(WorkerSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration. `documentation()` lists it; secrets never appear in its repr."""

    data_dir: Annotated[
        str, setting("Folder for the SQLite database, snapshots and caches.", min_length=1)
    ] = "var"
    database_url: Annotated[
        str | None,
        setting(
            "Where the store lives: `sqlite:///PATH` or `postgresql://...`. Default: SQLite in DATA_DIR."
        ),
    ] = None
    engine_url: Annotated[
        str | None,
        setting(
            "Base URL of an OpenAI-compatible server, or of several with the same model, comma separated. "
            "Default: the embedded pocket model."
        ),
    ] = None
    engine_model: Annotated[
        str | None, setting("Model name at ENGINE_URL, or a folder with weights when there is none.")
    ] = None
    engine_runtime: Annotated[
        Literal["transformers", "vllm"],
        setting("What runs a model in this process: `transformers`, or `vllm` (extra; for batch work)."),
    ] = "transformers"
    engine_api_key: Annotated[
        str | None, setting("Bearer token sent to ENGINE_URL. A secret: never shown.")
    ] = None
    engine_dialect: Annotated[
        Dialect | None,
        setting("How prompts are worded: `pocket` or `full`. Default: pocket when embedded, else full."),
    ] = None
    engine_languages: Annotated[
        tuple[str, ...] | None,
        setting("Language tags the engine may be asked for, comma separated. Default: what it says itself."),
    ] = None
    engine_timeout_seconds: Annotated[
        float, setting("How long one answer of the engine may take.", gt=0, le=3600)
    ] = 60.0
    engine_concurrency: Annotated[int, setting("Answers asked of the engine at a time.", ge=1, le=4096)] = 32
    engine_queue: Annotated[
        int,
        setting(
            "Variants that may wait while the engine is busy; what is more is refused with 429. "
            "One workspace may fill half of it.",
            ge=2,
            le=1_000_000,
        ),
    ] = 256
    accepted_examples: Annotated[
        int,
        setting(
            "Accepted variants of the same brand and channel that prompts show an instruct model as "
            "examples, 0 to 5. A request may say otherwise.",
            ge=0,
            le=5,
        ),
    ] = 0
    embedder: Annotated[
        str,
        setting(
            "Sentence encoder: `auto`, `offline`, a folder or a hub name. "
            "Auto is the offline package when installed, else all-MiniLM-L6-v2 from the hub.",
            min_length=1,
        ),
    ] = "auto"
    headline_tests: Annotated[
        str | None,
        setting(
            "File of the Upworthy Research Archive (CSV), from which scores of texts can show similar tested "
            "headlines. Default: none are shown."
        ),
    ] = None
    host: Annotated[str, setting("Address `serve` listens on.", min_length=1)] = "127.0.0.1"
    port: Annotated[int, setting("Port `serve` listens on.", ge=1, le=65535)] = 8000
    workspace: Annotated[
        str,
        setting("Workspace the command line works in.", pattern=r"^[a-z0-9][a-z0-9_-]{0,62}\Z"),
    ] = "default"
    prompts_dir: Annotated[
        str | None,
        setting(
            "Folder with a folder of prompts for each workspace that has its own, "
            "`WORKSPACE/email/full.v2.md.j2`. Default: the shipped prompts alone."
        ),
    ] = None
    snapshot_interval_seconds: Annotated[
        float, setting("How often `serve` looks whether a new snapshot is due; 0 is never.", ge=0)
    ] = 300.0
    snapshot_events: Annotated[
        int, setting("New events after which `serve` builds a snapshot before the interval is over.", ge=1)
    ] = 10_000
    snapshot_max_age_seconds: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        setting(
            "Age beyond which a workspace's newest snapshot makes `/health/ready` say `degraded`. "
            "Default: none is too old."
        ),
    ] = None
    snapshot_url: Annotated[
        str | None,
        setting(
            "Folder or object-store URL (fsspec, such as `s3://bucket/folder`) that snapshots are pushed to "
            "after a build and pulled from by other replicas. Default: each machine keeps its own."
        ),
    ] = None
    index_memory_mib: Annotated[
        int,
        setting(
            "Most memory one vector index may take, in MiB, in its file and resident: decides between exact "
            "and compressed search. A build that needs more is refused and says how much.",
            ge=1,
            le=1_048_576,
        ),
    ] = 2048
    executor_threads: Annotated[
        int, setting("Threads for encoding, searching and generating. Default: the cores.", ge=1, le=256)
    ] = os.cpu_count() or 1
    max_body_bytes: Annotated[int, setting("Largest request body that is read.", ge=1024, le=1 << 30)] = (
        10_000_000
    )
    max_batch_rows: Annotated[int, setting("Most rows one bulk request may hold.", ge=1, le=1_000_000)] = (
        10_000
    )
    requests_per_minute: Annotated[
        int, setting("Requests one API key may send a minute, to each process; 0 is any number.", ge=0)
    ] = 0
    dp_epsilon_per_day: Annotated[
        float,
        setting("Privacy loss one key may spend a day on counts with `dp_epsilon`.", ge=0, le=1000),
    ] = 1.0
    trait_keys: Annotated[
        tuple[str, ...],
        setting(
            "Fernet keys of encrypted traits, comma separated, newest first: the first encrypts, all "
            "decrypt. A secret: never shown."
        ),
    ] = ()
    encrypted_traits: Annotated[
        tuple[str, ...],
        setting(
            "Traits that are encrypted in the store and stand in no snapshot, comma separated. After a "
            "change run `pitchwright traits rotate`."
        ),
    ] = ()
    identifying_traits: Annotated[
        tuple[str, ...],
        setting(
            "Traits that tell who somebody is, comma separated: keys of scope `analyst` see pseudonyms in "
            "their place, as for encrypted traits."
        ),
    ] = (
        "address",
        "birthday",
        "email",
        "external_id",
        "first_name",
        "last_name",
        "name",
        "phone",
        "username",
    )
    webhook_hosts: Annotated[
        tuple[HostEntry, ...] | None,
        setting(
            "Hosts that webhooks may be sent to, comma separated: `HOST`, `*.HOST`, either with `:PORT`. "
            "Default: every public host by https on port 443."
        ),
    ] = None
    webhook_private_hosts: Annotated[
        tuple[HostEntry, ...] | None,
        setting(
            "Hosts that webhooks may be sent to although their addresses are private, or by plain http. "
            "Default: none."
        ),
    ] = None
    webhook_timeout_seconds: Annotated[
        float, setting("How long a webhook's receiver may take for its answer.", gt=0, le=600)
    ] = 15.0
    body_timeout_seconds: Annotated[
        float,
        setting(
            "How long a connection may be idle, and a request's headers, and then its body, may take to "
            "arrive.",
            gt=0,
            le=3600,
        ),
    ] = 30.0
    send_timeout_seconds: Annotated[
        float,
        setting(
            "How long a client may take to read each 64 KiB of an answer; then it is broken off.",
            gt=0,
            le=3600,
        ),
    ] = 30.0
    log_level: Annotated[LogLevel, setting("Least severe log lines that are written.")] = "info"

    @property
    def store_url(self) -> str:
        """`database_url`, or SQLite inside `data_dir`."""
        return self.database_url or f"sqlite:///{Path(self.data_dir) / 'pitchwright.db'}"

    @property
    def snapshots_folder(self) -> Path:
        """Where published snapshots live, one folder per workspace."""
        return Path(self.data_dir) / "snapshots"

    @property
    def exports_folder(self) -> Path:
        """Where exports lie until they expire, one folder per workspace."""
        return Path(self.data_dir) / "exports"

    @property
    def cache_folder(self) -> Path:
        """What can be thrown away: the embedding cache."""
        return Path(self.data_dir) / "cache"

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={shown_value(name, getattr(self, name))!r}" for name in _names())
        return f"Settings({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, shown_value(name, getattr(self, name))) for name in _names()]


class Documented(msgspec.Struct, frozen=True, kw_only=True):
    """One setting, as documentation."""

    name: str
    variable: str
    default: str
    text: str


def documentation() -> tuple[Documented, ...]:
    """Every setting with its variable, default and meaning, in the order of the fields."""
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(
        Documented(
            name=field.name,
            variable=PREFIX + field.name.upper(),
            default="the cores" if field.name == "executor_threads" else _default_text(field.default),
            text=_description(hints[field.name]),
        )
        for field in msgspec.structs.fields(Settings)
    )


def load_settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """Read `pitchwright.toml` in `folder`, then `PITCHWRIGHT_*` variables, which win.

    Raises SettingsError for an unknown name (with the nearest known one), an unreadable file or a
    value that does not fit. An empty variable counts as not set.
    """
    values = _from_file(folder / FILE_NAME)
    hints = get_type_hints(Settings, include_extras=False)
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in ELSEWHERE:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if variable != variable.upper() or name not in hints:
            raise _unknown(variable, [PREFIX + known.upper() for known in _names()], "variable")
        if text.strip():
            values[name] = (variable, _from_text(hints[name], text.strip()))
    return msgspec.structs.replace(Settings(), **{name: _fit(name, *found) for name, found in values.items()})


def mask_url(url: str) -> str:
    """Return the URL with its password, if any, as `***`."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return "***"
    if password is None and not parts.query:
        return url
    host = parts.netloc.rpartition("@")[2]
    login = f"{parts.username}:***@" if password is not None else parts.netloc[: -len(host) or None]
    query = "..." if "password" in parts.query.lower() else parts.query
    return urlunsplit(parts._replace(netloc=login + host, query=query))


def shown_value(name: str, value: object) -> object:
    """Return what may be shown of a field's value."""
    if value is None:
        return None
    if name in SECRETS:
        return "***"
    if name == "engine_url" and isinstance(value, str):
        return ",".join(map(mask_url, value.split(",")))
    return mask_url(value) if name.endswith("_url") and isinstance(value, str) else value


def _names() -> tuple[str, ...]:
    return Settings.__struct_fields__


def _from_file(path: Path) -> dict[str, tuple[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Make it a readable UTF-8 file.") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    for name in table:
        if name not in _names():
            raise _unknown(name, _names(), f"key in {path}")
    return {name: (f"{name} in {path}", value) for name, value in table.items()}


def _unknown(name: str, known: Iterable[str], kind: str) -> SettingsError:
    folded = {each.casefold(): each for each in known}
    nearest = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    hint = (
        f"did you mean {folded[nearest[0]]}?"
        if nearest
        else f"known are {', '.join(sorted(folded.values()))}."
    )
    return SettingsError(f"unknown {kind} {name!r}: {hint}")


def _from_text(hint: Any, text: str) -> Any:
    """Return what the field's type is read from: a list for several values, else the text."""
    return [part.strip() for part in text.split(",") if part.strip()] if _is_tuple(hint) else text


def _is_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(get_origin(part) is tuple for part in get_args(hint))


def _fit(name: str, source: str, value: Any) -> Any:
    """Convert and check one value against its field's type and limits."""
    hint = get_type_hints(Settings, include_extras=True)[name]
    try:
        fitted = msgspec.convert(value, hint, strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise _unfit(name, source, value, str(error)) from None
    if isinstance(fitted, float) and not math.isfinite(fitted):  # no limit compares with NaN
        raise _unfit(name, source, value, "Expected a finite number")
    return fitted


def _unfit(name: str, source: str, value: Any, reason: str) -> SettingsError:
    description = _description(get_type_hints(Settings, include_extras=True)[name])
    return SettingsError(f"{source} is {shown_value(name, value)!r}: {reason.rstrip('.')}. {description}")


def _description(hint: Any) -> str:
    return next(meta.description for meta in hint.__metadata__ if meta.description)


def _default_text(default: Any) -> str:
    return "" if default is None else str(default)
