"""The template catalogue: finds, loads and versions `templates/<channel>/<name>.v<N>.md.j2`.

A template is YAML front matter, a strict type here, and a Jinja2 body with `system:` and `user:` on lines of
their own. The body is cut at these markers before anything is rendered, so no value can open another role.
Older versions stay; a reader asks for the newest unless it names one.
"""

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

import msgspec
import yaml

from prompts.brief import Brief
from prompts.channels import CHANNELS, find_channel
from prompts.engine import Dialect, Role
from prompts.errors import TemplateError

_FILE = re.compile(r"(?P<name>[a-z][a-z0-9-]*)\.v(?P<version>[1-9]\d*)\.md\.j2")
_MARKER = re.compile(r"^(system|user):[ \t]*$", re.MULTILINE)
_INCLUDE = re.compile(r"\{%-?\s*(?:include|import|from|extends)\s+['\"]([^'\"]+)['\"]")


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One context variable a template reads."""

    name: str
    about: str


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a template's history."""

    version: int
    date: str
    change: str


class FrontMatter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a template says about itself. Unknown keys are refused."""

    name: str
    version: int
    purpose: str
    channel: str
    dialect: Dialect
    inputs: tuple[Input, ...]
    output: dict[str, str]
    """The answer's fields, each with what it holds."""
    example: Brief
    """A brief this template renders, with no key missing that it needs."""
    changelog: tuple[Change, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a template, not yet rendered."""

    role: Role
    source: str


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one prompt."""

    front: FrontMatter
    parts: tuple[Part, ...]
    partials: dict[str, str]
    """Every file the body may include, by name."""
    digest: str
    """sha256 in hex over the file and the partials it includes."""

    @property
    def name(self) -> str:
        """Name and version, as provenance records it: `email/full.v1`."""
        return f"{self.front.channel}/{self.front.name}.v{self.front.version}"


class Catalog:
    """The templates of one folder, read once."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self._templates = {(t.front.channel, t.front.dialect, t.front.version): t for t in templates}

    @classmethod
    def load(cls, folder: Path | None = None) -> "Catalog":
        """Read the catalogue in a folder; without one, the catalogue this package ships, once per process.

        Raises `TemplateError` for a file that is misplaced, misnamed or malformed, quoting it.
        """
        return _shipped() if folder is None else cls(_read(folder))

    @property
    def templates(self) -> tuple[Template, ...]:
        """Every template, by channel, dialect and version."""
        return tuple(self._templates[key] for key in sorted(self._templates))

    def get(self, channel: str, dialect: Dialect, version: int | None = None) -> Template:
        """Find the newest template of a channel in a dialect, or the version asked for.

        Raises `BriefError` for an unknown channel, `TemplateError` for a dialect or version that is missing.
        """
        find_channel(channel)
        versions = [v for c, d, v in self._templates if (c, d) == (channel, dialect)]
        if not versions:
            raise TemplateError(f"no {dialect!r} prompt for channel {channel!r} in this catalogue")
        if version is not None and version not in versions:
            known = ", ".join(map(str, sorted(versions)))
            raise TemplateError(f"{channel}/{dialect} has no version {version}: there are {known}")
        return self._templates[channel, dialect, version or max(versions)]


@functools.cache
def _shipped() -> Catalog:
    return Catalog(_read(resources.files("prompts") / "templates"))


def _read(folder: Path | Traversable) -> list[Template]:
    if not folder.is_dir():
        raise TemplateError(f"no template folder at {str(folder)!r}")
    partials = {
        f"partials/{file.name}": file.read_text(encoding="utf-8")
        for file in _files(folder / "partials")
        if file.name.endswith(".j2")
    }
    found: list[Template] = []
    for channel in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not channel.is_dir() or channel.name == "partials":
            continue
        if channel.name not in CHANNELS:
            raise TemplateError(
                f"template folder {channel.name!r} is no channel: the channels are {', '.join(CHANNELS)}"
            )
        found += [
            parse(channel.name, file.name, file.read_text(encoding="utf-8"), partials)
            for file in _files(channel)
        ]
    return found


def _files(folder: Path | Traversable) -> list[Path | Traversable]:
    if not folder.is_dir():
        return []
    return [
        f
        for f in sorted(folder.iterdir(), key=lambda f: f.name)
        if f.is_file() and not f.name.startswith(".")
    ]


def parse(channel: str, file_name: str, text: str, partials: Mapping[str, str] | None = None) -> Template:
    """Read a template from its file's text. Raises `TemplateError` quoting the file and what is wrong."""
    where = f"{channel}/{file_name}"
    named = _FILE.fullmatch(file_name)
    if named is None:
        raise TemplateError(f"template file {where!r} must be called <name>.v<N>.md.j2")
    matter, body = _split(where, text)
    front = _front(where, matter)
    expected = (channel, named["name"], int(named["version"]))
    if (front.channel, front.name, front.version) != expected:
        raise TemplateError(f"{where}: front matter says {front.channel}/{front.name}.v{front.version}")
    if front.version not in {change.version for change in front.changelog}:
        raise TemplateError(f"{where}: the changelog has no entry for version {front.version}")
    if set(front.output) != {field.name for field in CHANNELS[channel].fields}:
        raise TemplateError(f"{where}: output {sorted(front.output)} are not the fields of {channel}")
    included = _included(where, body, partials or {})
    digest = hashlib.sha256(text.encode())
    for name, source in included.items():
        digest.update(f"\0{name}\0{source}".encode())
    return Template(front=front, parts=_parts(where, body), partials=included, digest=digest.hexdigest())


def _split(where: str, text: str) -> tuple[str, str]:
    match = re.fullmatch(r"---\n(.*?\n)---\n(.*)", text, re.DOTALL)
    if match is None:
        raise TemplateError(f"{where}: must open with front matter between two lines of ---")
    return match[1], match[2]


def _front(where: str, matter: str) -> FrontMatter:
    try:
        loaded = cast("object", yaml.safe_load(matter))
        return msgspec.convert(loaded, FrontMatter)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise TemplateError(f"{where}: front matter: {error}") from error


def _parts(where: str, body: str) -> tuple[Part, ...]:
    before, *rest = _MARKER.split(body)
    if before.strip() or not rest:
        raise TemplateError(
            f"{where}: the body must open with a line `system:` or `user:`, not {before.strip()[:40]!r}"
        )
    roles = rest[0::2]
    if roles[-1] != "user" or roles.count("system") > 1 or "system" in roles[1:]:
        raise TemplateError(
            f"{where}: roles {roles} must be at most one system message first, and end with user"
        )
    return tuple(
        Part(role=cast("Any", role), source=source.strip("\n"))
        for role, source in zip(roles, rest[1::2], strict=True)
    )


def _included(where: str, body: str, partials: Mapping[str, str]) -> dict[str, str]:
    """Collect the partials a body includes, and those they include, in order of appearance."""
    found: dict[str, str] = {}
    waiting = list(_INCLUDE.findall(body))
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        if name not in partials:
            raise TemplateError(
                f"{where}: includes {name!r}, but the partials are {', '.join(partials) or 'none'}"
            )
        found[name] = partials[name]
        waiting += _INCLUDE.findall(partials[name])
    return found
