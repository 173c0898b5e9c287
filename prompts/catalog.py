"""The template catalogue: finds, loads and versions `templates/<channel>/<name>.v<N>.md.j2`.

A template is YAML front matter, a strict type here, and a Jinja2 body with `system:` and `user:` on lines of
their own. The body is cut at these markers before anything is rendered, so no value can open another role.
Older versions stay; a reader asks for the newest unless it names one.
"""

import datetime
import functools
import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import yaml

from prompts.brief import Brief
from prompts.channels import CHANNELS, find_channel
from prompts.engine import Dialect, Role
from prompts.errors import TemplateError
from prompts.inputs import Kind

FILE_NAME = re.compile(r"(?P<name>[a-z][a-z0-9-]*)\.v(?P<version>[1-9]\d*)\.md\.j2")
_NAME = re.compile(r"(?P<channel>[a-z]+)[/.](?P<dialect>[a-z]+)(?:\.v(?P<version>[1-9]\d{0,8}))?")
MARKER = re.compile(r"^(system|user):[ \t]*$", re.MULTILINE)
PARTIALS = "partials/"
_INCLUDE = re.compile(r"\{%-?\s*(?:include|import|from|extends)\s+['\"]([^'\"]+)['\"]")


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One context variable a template reads."""

    name: str
    about: str
    kind: Kind | None = None
    """What may be done with it (`prompts.inputs`); a kind that is given must be the true one."""


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a template's history."""

    version: int
    date: datetime.date
    change: str


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a prompt may cost."""

    characters: int = 20_000
    """The longest all messages together may be, for each of its examples."""


class FrontMatter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a template says about itself. Unknown keys are refused."""

    name: str
    version: Annotated[int, msgspec.Meta(ge=1, le=999_999)]
    purpose: str
    channel: str
    dialect: Dialect
    inputs: tuple[Input, ...]
    output: dict[str, str]
    """The answer's fields, each with what it holds."""
    example: Brief
    """A brief this template renders, with no key missing that it needs."""
    changelog: tuple[Change, ...]
    examples: dict[str, Brief] = {}
    """More briefs it renders, by name."""
    limits: Limits = Limits()

    @property
    def named_examples(self) -> dict[str, Brief]:
        """Every example by name; the one of the key `example` is called so, and comes first."""
        return {"example": self.example, **self.examples}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a template, not yet rendered."""

    role: Role
    source: str
    line: int = 1
    """The file's line on which the source begins."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one prompt."""

    front: FrontMatter
    parts: tuple[Part, ...]
    partials: dict[str, str]
    """Every file the body may include, by name."""
    digest: str
    """sha256 in hex over the file and the partials it includes."""
    source: str
    """The file's text."""

    @property
    def name(self) -> str:
        """Name and version, as provenance records it: `email/full.v1`."""
        return f"{self.front.channel}/{self.front.name}.v{self.front.version}"


class Catalog:
    """The templates of one folder, read once.

    `partials` are all there are, by name; `current` is the version that is meant where none is named, for a
    channel and dialect where that is not the newest. Raises `TemplateError` for two templates of one version.
    """

    def __init__(
        self,
        templates: Iterable[Template],
        *,
        partials: Mapping[str, str] | None = None,
        current: Mapping[tuple[str, Dialect], int] | None = None,
    ) -> None:
        given = tuple(templates)
        counted = Counter(map(_key, given))
        for (channel, dialect, version), count in counted.items():
            if count > 1:
                raise TemplateError(
                    f"{count} files are version {version} of the {dialect} prompt for {channel}: "
                    "give one of them the next version"
                )
        self._templates = dict(zip(map(_key, given), given, strict=True))
        self.partials: Mapping[str, str] = partials or {}
        self._current = dict(current or {})

    @classmethod
    def load(cls, folder: Path | None = None) -> "Catalog":
        """Read the catalogue in a folder; without one, the catalogue this package ships, once per process.

        Raises `TemplateError` for a file that is misplaced, misnamed or malformed, quoting it.
        """
        return _shipped() if folder is None else _read(folder, {})

    def with_folder(self, folder: Path) -> "Catalog":
        """Read a folder of templates that go before this catalogue's; its partials too. Raises as `load`."""
        found = _read(folder, self.partials)
        return self.overridden(found.templates, found.partials)

    def overridden(
        self, templates: Iterable[Template], partials: Mapping[str, str] | None = None
    ) -> "Catalog":
        """Put templates before this catalogue's.

        For a channel and dialect that they have, the newest of theirs is meant, whatever versions are here.
        """
        given = {_key(template): template for template in templates}
        current: dict[tuple[str, Dialect], int] = {}
        for channel, dialect, version in given:
            current[channel, dialect] = max(version, current.get((channel, dialect), 0))
        merged = {**self._templates, **given}
        return Catalog(
            merged.values(),
            partials={**self.partials, **(partials or {})},
            current={**self._current, **current},
        )

    def find(self, name: str) -> Template:
        """Find a template by name: `email/full.v1`, or `email/full` for the one that is meant now.

        Raises `TemplateError` for a name that is none, and as `get` does.
        """
        named = _NAME.fullmatch(name)
        if named is None:
            raise TemplateError(f"{name!r} names no prompt: write CHANNEL/DIALECT or CHANNEL/DIALECT.vN")
        return self.get(
            named["channel"], cast("Dialect", named["dialect"]), int(named["version"] or 0) or None
        )

    @property
    def templates(self) -> tuple[Template, ...]:
        """Every template, by channel, dialect and version."""
        return tuple(self._templates[key] for key in sorted(self._templates))

    def get(self, channel: str, dialect: Dialect, version: int | None = None) -> Template:
        """Find the template of a channel in a dialect, or the version asked for.

        Raises `BriefError` for an unknown channel, `TemplateError` for a dialect or version that is missing.
        """
        find_channel(channel)
        versions = [v for c, d, v in self._templates if (c, d) == (channel, dialect)]
        if not versions:
            raise TemplateError(f"no {dialect!r} prompt for channel {channel!r} in this catalogue")
        if version is not None and version not in versions:
            known = ", ".join(map(str, sorted(versions)))
            raise TemplateError(f"{channel}/{dialect} has no version {version}: there are {known}")
        meant = version or self._current.get((channel, dialect)) or max(versions)
        return self._templates[channel, dialect, meant]


def _key(template: Template) -> tuple[str, Dialect, int]:
    return template.front.channel, template.front.dialect, template.front.version


def shipped_folder() -> Traversable:
    """Say where the templates of this package are."""
    return resources.files("prompts") / "templates"


_READING = threading.Lock()


def _shipped() -> Catalog:
    with _READING:  # msgspec crashes where two threads meet a type for the first time at once
        return _read_shipped()


@functools.cache
def _read_shipped() -> Catalog:
    return _read(shipped_folder(), {})


def _read(folder: Path | Traversable, partials: Mapping[str, str]) -> Catalog:
    files = read_folder(folder)
    known = {**partials, **{name: text for name, text in files.items() if name.startswith(PARTIALS)}}
    found: list[Template] = []
    for name, text in files.items():
        channel, _, file_name = name.partition("/")
        if name.startswith(PARTIALS):
            continue
        if channel not in CHANNELS:
            raise TemplateError(
                f"template folder {channel!r} is no channel: the channels are {', '.join(CHANNELS)}"
            )
        found.append(parse(channel, file_name, text, known))
    return Catalog(found, partials=known)


def read_folder(folder: Path | Traversable) -> dict[str, str]:
    """Read a catalogue's files to their texts, by name: `email/full.v1.md.j2`, `partials/voice.v1.j2`.

    Raises `TemplateError` without the folder, and for a file that is not UTF-8.
    """
    if not folder.is_dir():
        raise TemplateError(f"no template folder at {str(folder)!r}")
    found: dict[str, str] = {}
    for inner in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not inner.is_dir() or inner.name.startswith("."):
            continue
        for file in _files(inner):
            name = f"{inner.name}/{file.name}"
            if inner.name == "partials" and not file.name.endswith(".j2"):
                continue
            try:
                found[name] = file.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise TemplateError(f"{name} is not UTF-8 ({error}): save it as UTF-8") from error
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
    named = FILE_NAME.fullmatch(file_name)
    if named is None:
        raise TemplateError(f"template file {where!r} must be called <name>.v<N>.md.j2")
    matter, body = split(where, text)
    front = _front(where, matter)
    expected = (channel, named["name"], int(named["version"]))
    if (front.channel, front.name, front.version) != expected:
        said = f"{front.channel}/{front.name}.v{front.version}"
        raise TemplateError(f"{where}: front matter says {said}: change it there, or rename the file")
    if front.version not in {change.version for change in front.changelog}:
        raise TemplateError(f"{where}: the changelog has no entry for version {front.version}: add one")
    if set(front.output) != {field.name for field in CHANNELS[channel].fields}:
        raise TemplateError(f"{where}: output {sorted(front.output)} are not the fields of {channel}")
    included = _included(where, body, partials or {})
    digest = hashlib.sha256(text.encode())
    for name, source in included.items():
        digest.update(f"\0{name}\0{source}".encode())
    return Template(
        front=front,
        parts=parts(where, body, first_line=text.count("\n") - body.count("\n") + 1),
        partials=included,
        digest=digest.hexdigest(),
        source=text,
    )


def split(where: str, text: str) -> tuple[str, str]:
    """Cut a template's text into front matter and body. Raises `TemplateError`."""
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


def parts(where: str, body: str, *, first_line: int = 1) -> tuple[Part, ...]:
    """Cut a body at its role markers; `first_line` is where it begins in its file. Raises `TemplateError`."""
    markers = list(MARKER.finditer(body))
    before = body[: markers[0].start() if markers else len(body)]
    if before.strip() or not markers:
        raise TemplateError(
            f"{where}: the body must open with a line `system:` or `user:`, not {before.strip()[:40]!r}"
        )
    roles = [marker[1] for marker in markers]
    if roles[-1] != "user" or roles.count("system") > 1 or "system" in roles[1:]:
        raise TemplateError(
            f"{where}: roles {roles} must be at most one system message first, and end with user"
        )
    found: list[Part] = []
    ends = [*(marker.start() for marker in markers[1:]), len(body)]
    for marker, end in zip(markers, ends, strict=True):
        text = body[marker.end() : end]
        skipped = len(text) - len(text.lstrip("\n"))
        line = first_line + body.count("\n", 0, marker.end() + skipped)
        found.append(Part(role=cast("Any", marker[1]), source=text.strip("\n"), line=line))
    return tuple(found)


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
