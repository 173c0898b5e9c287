"""Read, change and take back a workspace's prompts; a change passes the same checks as `prompts check`."""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from prompts.catalog import Catalog, Template
from prompts.front_matter import Problem, read_front
from prompts.inspection import inspect, inspect_partial
from service.errors import InvalidInput, NotFound, PreconditionFailed, PromptNotValid
from service.listing import Page
from service.prompts.model import Change, NewPrompt, Origin, Prompt, PromptText, Rollback, Stored
from service.prompts.overrides import base_catalog, file_of, own_catalog, template_of
from service.prompts.store import PromptStore
from service.runtime import Runtime
from service.settings import Settings
from service.validation import FieldProblem
from service.workspaces.actions import get_workspace

LONGEST_NOTE = 1000
MOST_PARTIALS = 20
SHOWN_DIGITS = 16
"""Of a digest, as in a variant's provenance."""

_PARTIAL = re.compile(r"partials/[a-z0-9][a-z0-9-]{0,62}(\.v[1-9]\d{0,5})?\.j2")


async def catalog_of(runtime: Runtime, workspace: str) -> Catalog:
    """Return the prompts a workspace writes with.

    Raises `TemplateError` when its folder has a problem (see `base_catalog`).
    """
    _, catalog, _ = await _state(runtime, workspace)
    return catalog


async def every_template(runtime: Runtime, workspace: str) -> tuple[Template, ...]:
    """Return every template a variant may have been asked with: shipped, the folder's, and all its own."""
    base, _, _ = await _state(runtime, workspace)
    async with runtime.database.read() as session:
        changes = await PromptStore(session, workspace).all()
    own = (template_of(change) for change in changes if change.source is not None)
    return (*Catalog.load().templates, *base.templates, *own)


async def list_prompts(runtime: Runtime, workspace: str) -> tuple[Prompt, ...]:
    """Return every prompt of a workspace, the one in use of each channel and dialect, by name."""
    _, catalog, changes = await _state(runtime, workspace)
    used = {_name(each): catalog.get(each.front.channel, each.front.dialect) for each in catalog.templates}
    return tuple(_prompt(used[name], changes.get(name)) for name in sorted(used))


async def get_prompt(runtime: Runtime, workspace: str, name: str, revision: int | None = None) -> PromptText:
    """Return a prompt with its text: the one in use, or as a revision left it. Raises NotFound."""
    base, catalog, changes = await _state(runtime, workspace)
    newest = changes.get(name)
    if revision is None:
        return _text(_found(catalog, name), newest)
    if revision == 0:
        return _text(_found(base, name), None)
    stored = await _revision(runtime, workspace, name, revision)
    return _text(_found(base, name) if stored.source is None else template_of(stored), stored)


async def put_prompt(
    runtime: Runtime, workspace: str, name: str, new: NewPrompt, *, revision: int | None = None
) -> PromptText:
    """Put the next version of a prompt in use.

    With `revision` only if the prompt is still at it. Raises NotFound for a name that is none, PromptNotValid
    with every problem, InvalidInput for a note that is too long, PreconditionFailed.
    """
    await get_workspace(runtime, workspace)
    base, _, changes = await _state(runtime, workspace)
    _found(base, name)
    current = _revision_of(changes.get(name), revision, name)
    source = new.source.replace("\r\n", "\n")
    own = {each: text.replace("\r\n", "\n") for each, text in new.partials.items()}
    async with runtime.database.read() as session:
        taken = await PromptStore(session, workspace).versions(name)
    taken |= {template.front.version for template in base.templates if _name(template) == name}
    known = {**base.partials, **own}
    problems = await runtime.run(_problems, name, source, own, known, taken)
    if problems:
        raise _refused(name, problems, source, own)
    return await _store(runtime, workspace, base, _next(runtime, name, current, source, known, new.note))


async def rollback_prompt(
    runtime: Runtime, workspace: str, name: str, to: Rollback, *, revision: int | None = None
) -> PromptText:
    """Go back to an earlier revision of a prompt, as a change of its own; 0 withdraws the workspace's own.

    Raises as `put_prompt` does, and NotFound for a revision that is not in the history.
    """
    base, _, changes = await _state(runtime, workspace)
    _found(base, name)
    current = _revision_of(changes.get(name), revision, name)
    stored = None if to.revision == 0 else await _revision(runtime, workspace, name, to.revision)
    if stored is None or stored.source is None:
        change = _next(runtime, name, current, None, {}, to.note, restored=to.revision)
    else:
        # Checks may have become stricter since it was stored.
        problems = await runtime.run(
            _problems, name, stored.source, stored.partials, stored.partials, set[int]()
        )
        if problems:
            raise _refused(name, problems, stored.source, stored.partials)
        change = _next(runtime, name, current, stored.source, stored.partials, to.note, restored=to.revision)
    return await _store(runtime, workspace, base, change)


async def prompt_history(
    runtime: Runtime, workspace: str, name: str, before: int | None = None, limit: int = 50
) -> Page[Change]:
    """Return a page of what a workspace changed about a prompt, newest first. Raises NotFound."""
    base, _, _ = await _state(runtime, workspace)
    _found(base, name)
    async with runtime.database.read() as session:
        rows = await PromptStore(session, workspace).history(name, before, limit + 1)
    after = str(rows[limit - 1].revision) if len(rows) > limit else None
    return Page(rows=tuple(map(_change, rows[:limit])), next_after=after)


async def _state(runtime: Runtime, workspace: str) -> tuple[Catalog, Catalog, Mapping[str, Stored]]:
    """Give what a workspace would use without changes, what it uses, and its newest changes by name."""
    async with runtime.database.look() as session:
        changes = await PromptStore(session, workspace).newest()
    base, catalog = await runtime.run(_catalogs, runtime.settings, workspace, changes)
    return base, catalog, {change.name: change for change in changes}


def _catalogs(settings: Settings, workspace: str, changes: Sequence[Stored]) -> tuple[Catalog, Catalog]:
    base = base_catalog(settings, workspace)
    return base, own_catalog(base, changes)


async def _revision(runtime: Runtime, workspace: str, name: str, revision: int) -> Stored:
    async with runtime.database.read() as session:
        stored = await PromptStore(session, workspace).get(name, revision)
    if stored is None:
        raise NotFound(
            f"prompt {name!r} has no revision {revision}: GET /v1/prompts/{name}/history lists them"
        )
    return stored


async def _store(runtime: Runtime, workspace: str, base: Catalog, change: Stored) -> PromptText:
    async with runtime.database.write() as session:
        await PromptStore(session, workspace).add(change)
    template = _found(base, change.name) if change.source is None else template_of(change)
    return _text(template, change)


def _next(
    runtime: Runtime,
    name: str,
    current: int,
    source: str | None,
    partials: Mapping[str, str],
    note: str,
    *,
    restored: int | None = None,
) -> Stored:
    if len(note) > LONGEST_NOTE:
        raise InvalidInput(f"the note has {len(note)} characters: at most {LONGEST_NOTE}")
    change = Stored(
        name=name,
        revision=current + 1,
        version=None,
        digest=None,
        source=source,
        partials=dict(partials),
        note=note,
        created_at=runtime.now(),
        restored=restored,
    )
    return change if source is None else _complete(change)


def _complete(change: Stored) -> Stored:
    """Add version and digest, and keep only the partials the template includes."""
    front = read_front(change.name, change.source or "").front
    versioned = msgspec.structs.replace(change, version=front.version if front else None)
    template = template_of(versioned)
    return msgspec.structs.replace(versioned, digest=template.digest, partials=template.partials)


def _problems(
    name: str, source: str, own: Mapping[str, str], known: Mapping[str, str], taken: set[int]
) -> tuple[Problem, ...]:
    """List what speaks against a prompt; `own` partials come with it, `known` are all it may include."""
    matter = read_front(name, source)
    version = matter.front.version if matter.front else 1
    file = file_of(name, max(version, 1))
    found = [*inspect(file, source, known)]
    for partial, text in own.items():
        if not _PARTIAL.fullmatch(partial):
            reason = f"{partial[:80]!r} is no name of a partial: write one such as 'partials/voice.v1.j2'"
            found.append(Problem(file=file, line=1, rule="partials", reason=reason))
        found += inspect_partial(partial, text)
    if len(own) > MOST_PARTIALS:
        reason = f"{len(own)} partials of its own: at most {MOST_PARTIALS}"
        found.append(Problem(file=file, line=1, rule="partials", reason=reason))
    if matter.front is not None:
        dialect = name.partition(".")[2]
        if matter.front.dialect != dialect:
            reason = f"`dialect` is {matter.front.dialect!r}, and the prompt is {name!r}"
            found.append(Problem(file=file, line=matter.line("$.dialect"), rule="file", reason=reason))
        if version in taken:
            reason = f"version {version} is taken: write version {max(taken) + 1}, and a line in `changelog`"
            found.append(Problem(file=file, line=matter.line("$.version"), rule="file", reason=reason))
    return tuple(dict.fromkeys(found))


def _refused(
    name: str, problems: Iterable[Problem], source: str, partials: Mapping[str, str]
) -> PromptNotValid:
    """Say every problem, each with the line it stands on."""
    told: list[FieldProblem] = []
    for each in problems:
        inner = each.file.startswith("partials/")
        lines = (partials.get(each.file, "") if inner else source).split("\n")
        quoted = lines[each.line - 1][:200] if 0 < each.line <= len(lines) else None
        path = f"$.partials['{each.file}']" if inner else "$.source"
        told.append(FieldProblem(path=path, reason=f"line {each.line}: {each.reason}", value=quoted))
    return PromptNotValid(f"prompt {name!r} has {len(told)} problems", tuple(told))


def _revision_of(newest: Stored | None, expected: int | None, name: str) -> int:
    current = newest.revision if newest else 0
    if expected is not None and expected != current:
        raise PreconditionFailed(
            f"prompt {name!r} is at revision {current}, not {expected}: read it again and repeat the change"
        )
    return current


def _found(catalog: Catalog, name: str) -> Template:
    known = {_name(template): template.front for template in catalog.templates}
    if name not in known:
        raise NotFound(f"no prompt {name[:80]!r}: there are {', '.join(sorted(known))}")
    return catalog.get(known[name].channel, known[name].dialect)


def _name(template: Template) -> str:
    return f"{template.front.channel}.{template.front.dialect}"


def _origin(template: Template, change: Stored | None) -> Origin:
    if change is not None and change.source is not None:
        return "workspace"
    return "shipped" if any(template is each for each in Catalog.load().templates) else "folder"


def _prompt(template: Template, change: Stored | None) -> Prompt:
    return Prompt(
        name=_name(template),
        prompt=template.name,
        version=template.front.version,
        channel=template.front.channel,
        dialect=template.front.dialect,
        purpose=template.front.purpose,
        digest=template.digest[:SHOWN_DIGITS],
        origin=_origin(template, change),
        revision=0 if change is None else change.revision,
    )


def _text(template: Template, change: Stored | None) -> PromptText:
    about = msgspec.structs.asdict(_prompt(template, change))
    return PromptText(**about, source=template.source, partials=template.partials)


def _change(stored: Stored) -> Change:
    channel, _, dialect = stored.name.partition(".")
    return Change(
        revision=stored.revision,
        prompt=None if stored.version is None else f"{channel}/{dialect}.v{stored.version}",
        digest=None if stored.digest is None else stored.digest[:SHOWN_DIGITS],
        note=stored.note,
        created_at=stored.created_at,
        restored=stored.restored,
    )
