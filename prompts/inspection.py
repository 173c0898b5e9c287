"""Checks of prompts before anything is written with them: every problem of a template, with file and line.

What `Catalog` refuses at the first fault is reported here in full, and more is proven: the declared inputs
are the variables the syntax tree uses, nothing leaves the allowed part of Jinja2 (`prompts.syntax`), and
every example renders, also with each thing that a brief may lack taken away.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from prompts import special_tokens
from prompts.brief import Brand, Brief, RewriteRequest
from prompts.brief_limits import validate
from prompts.catalog import FILE_NAME, PARTIALS, Template, parse, parts, read_folder, split
from prompts.channels import CHANNELS
from prompts.engine import Message
from prompts.errors import BriefError, TemplateError
from prompts.front_matter import Matter, Problem, read_front
from prompts.inputs import INPUTS, NEEDED
from prompts.render import render
from prompts.syntax import LONGEST_EXPANSION, Read, expansion, misplaced, read, unknown

LONGEST_FILE = 100_000
"""Characters of one template or partial."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)


def inspect_folder(
    folder: Path | Traversable, partials: Mapping[str, str] | None = None
) -> tuple[Problem, ...]:
    """List every problem of a folder of templates; `partials` are those it may include beside its own.

    Raises `TemplateError` without the folder, and for a file that is not UTF-8.
    """
    files = read_folder(folder)
    own = {name: text for name, text in files.items() if name.startswith(PARTIALS)}
    known = {**(partials or {}), **own}
    found: list[Problem] = []
    for name, text in own.items():
        found += inspect_partial(name, text)
    for name, text in files.items():
        if name not in own:
            found += inspect(name, text, known)
    return tuple(dict.fromkeys((*found, *_repeated(files))))


def inspect_partial(name: str, text: str) -> list[Problem]:
    """List the problems of one partial; what it reads is held against each template that includes it."""
    if len(text) > LONGEST_FILE:
        return [_too_long(name, text)]
    return [
        *_invisible(name, text),
        *(
            Problem(file=name, line=fault.line, rule=fault.rule, reason=fault.reason)
            for fault in read(text).faults
        ),
    ]


def inspect(name: str, text: str, partials: Mapping[str, str]) -> tuple[Problem, ...]:
    """List every problem of one template, `email/full.v1.md.j2`, in the order of its lines.

    Problems of a partial name the partial, once.
    """
    if len(text) > LONGEST_FILE:
        return (_too_long(name, text),)
    matter = read_front(name, text)
    found = [*_named(name, matter), *matter.problems, *_invisible(name, text)]
    used: dict[str, tuple[str, int]] = {}
    try:
        first_line, body = _body(name, text)
        cut = parts(name, body, first_line=first_line)
    except TemplateError as error:
        reason = str(error).removeprefix(f"{name}: ")
        if not any(reason == each.reason for each in found):
            found.append(Problem(file=name, line=_body_line(text), rule="roles", reason=reason))
        return tuple(found)
    for (file, first), seen in _reads({(name, part.line): part.source for part in cut}, partials):
        found += _source_faults(file, first, seen, partials)
        for each, line in seen.inputs.items():
            used.setdefault(each, (file, first + line - 1))
    for part in cut:
        if (reason := _endless(part.source, partials)) is not None:
            found.append(Problem(file=name, line=part.line, rule="partials", reason=reason))
    if matter.front is not None and not any(each.rule in ("partials", "syntax") for each in found):
        # What cannot be read may use anything, so nothing can be said of what is declared and not used.
        found += _inputs(name, matter, used)
    if not found:
        found += _examples(name, text, matter, partials)
    return tuple(dict.fromkeys(sorted(found, key=lambda each: (each.file != name, each.file, each.line))))


def variations(brief: Brief) -> dict[str, Brief]:
    """Give an example as it is and with what a brief may lack or add, each by what was changed."""
    replace = msgspec.structs.replace
    fields = CHANNELS[brief.channel].fields
    draft: dict[str, str | list[str]] = {
        field.name: "Words to change" if field.items is None else ["Words to change"] for field in fields
    }
    return {
        "as given": brief,
        "without an offer": replace(brief, offer=None),
        "without a brand": replace(brief, brand=Brand()),
        "without a stage or an interest": replace(
            brief, audience=replace(brief.audience, stage=None, interest=None)
        ),
        "without benefits, link and price": replace(
            brief, product=replace(brief.product, benefits=(), link=None, price=None)
        ),
        "greeting by name": replace(brief, personalise=True),
        "not greeting by name": replace(brief, personalise=False),
        "as a rewrite": replace(brief, rewrite=RewriteRequest(instruction="shorter", fields=draft)),
        "as new copy": replace(brief, rewrite=None),
    }


def _reads(
    sources: Mapping[tuple[str, int], str], partials: Mapping[str, str]
) -> Iterator[tuple[tuple[str, int], Read]]:
    """Read the parts of a template, then each partial they lead to, once."""
    waiting, met = dict(sources), set[str]()
    while waiting:
        place = next(iter(waiting))
        seen = read(waiting.pop(place))
        yield place, seen
        for partial in seen.includes:
            if partial in partials and partial not in met:
                met.add(partial)
                waiting[partial, 1] = partials[partial]


def _source_faults(file: str, first: int, seen: Read, partials: Mapping[str, str]) -> Iterator[Problem]:
    for fault in seen.faults:
        yield Problem(file=file, line=first + fault.line - 1, rule=fault.rule, reason=fault.reason)
    for partial, line in seen.includes.items():
        if partial not in partials:
            near = difflib.get_close_matches(partial, partials, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(partials) or 'none'}"
            reason = f"no partial {partial!r}: {hint}"
            yield Problem(file=file, line=first + line - 1, rule="partials", reason=reason)


def _endless(source: str, partials: Mapping[str, str]) -> str | None:
    size = expansion(source, partials)
    if isinstance(size, str):
        return size
    too_long = f"with its partials it has more than {LONGEST_EXPANSION} characters: include less"
    return too_long if size > LONGEST_EXPANSION else None


def _inputs(name: str, matter: Matter, used: Mapping[str, tuple[str, int]]) -> Iterator[Problem]:
    """Hold what is declared against what the syntax trees use."""
    front = matter.front
    if front is None:
        return
    declared = {entry.name: (place, entry) for place, entry in enumerate(front.inputs)}
    for each, (file, line) in used.items():
        reason = (
            unknown(each)
            if each not in INPUTS
            else misplaced(each, front.dialect)
            or (
                None
                if each in declared
                else f"`{each}` is used and not declared: add it to `inputs` of {name}"
            )
        )
        if reason is not None:
            yield Problem(file=file, line=line, rule="inputs", reason=reason)
    for each, (place, entry) in declared.items():
        line = matter.line(f"$.inputs[{place}]")
        if each not in used:
            reason = f"`{each}` is declared and not used: take it out of `inputs`"
            yield Problem(file=name, line=line, rule="inputs", reason=reason)
        elif each in INPUTS and entry.kind not in (None, INPUTS[each].kind):
            reason = f"`{each}` is of kind {INPUTS[each].kind!r}, not {entry.kind!r}"
            yield Problem(file=name, line=line, rule="inputs", reason=reason)
    top = matter.line("$.inputs")
    for each, count in Counter(entry.name for entry in front.inputs).items():
        if count > 1:
            yield Problem(file=name, line=top, rule="inputs", reason=f"`{each}` is declared {count} times")
    if NEEDED[front.dialect] not in used:
        reason = f"`{NEEDED[front.dialect]}` is not used: copy could not name what it advertises"
        yield Problem(file=name, line=top, rule="inputs", reason=reason)


def _examples(name: str, text: str, matter: Matter, partials: Mapping[str, str]) -> Iterator[Problem]:
    """Render every example and its variations, and hold the messages to the prompt's limits."""
    channel, _, file_name = name.partition("/")
    try:
        template = parse(channel, file_name, text, partials)
    except TemplateError as error:
        reason = str(error).removeprefix(f"{name}: ")
        yield Problem(file=name, line=1, rule="front-matter", reason=reason)
        return
    for title, example in template.front.named_examples.items():
        line = matter.line("$.example" if title == "example" else f"$.examples.{title}")
        for reason in _example_faults(template, example):
            yield Problem(file=name, line=line, rule="example", reason=f"{title}: {reason}")


def _example_faults(template: Template, example: Brief) -> Iterator[str]:
    front = template.front
    if example.channel != front.channel:
        yield f"its channel is {example.channel!r}, not {front.channel!r}"
        return
    try:
        validate(example)
    except BriefError as error:
        yield str(error)
        return
    for change, brief in variations(example).items():
        try:
            messages = render(template, brief)
        except TemplateError as error:
            yield f"{change}, {error}"
            return
        fault = _message_fault(messages, front.limits.characters)
        if fault is not None:
            yield f"{change}, {fault}"
            return


def _message_fault(messages: Sequence[Message], most: int) -> str | None:
    characters = sum(len(message.content) for message in messages)
    if characters > most:
        return f"it renders to {characters} characters: `limits` allows {most}"
    for message in messages:
        if not message.content:
            return f"its {message.role} message is empty"
        if (token := special_tokens.find(message.content)) is not None:
            return f"its {message.role} message spells the special token {token.group()!r}"
    return None


def _named(name: str, matter: Matter) -> Iterator[Problem]:
    """Hold the file's path against what a template is called, and its front matter against the path."""
    channel, _, file_name = name.partition("/")
    named, front = FILE_NAME.fullmatch(file_name), matter.front
    if channel not in CHANNELS:
        near = difflib.get_close_matches(channel, CHANNELS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the channels are {', '.join(CHANNELS)}"
        yield Problem(file=name, line=1, rule="file", reason=f"folder {channel!r} is no channel: {hint}")
    if named is None:
        reason = f"{file_name!r} must be called <name>.v<N>.md.j2"
        yield Problem(file=name, line=1, rule="file", reason=reason)
    if front is None or named is None or channel not in CHANNELS:
        return
    for key, value in {"channel": channel, "name": named["name"], "version": int(named["version"])}.items():
        if getattr(front, key) != value:
            was = f"`{key}` is {getattr(front, key)!r}, and the file is {name!r}"
            reason = f"{was}: change it to {value!r}, or rename the file"
            yield Problem(file=name, line=matter.line(f"$.{key}"), rule="file", reason=reason)
    if front.version not in {change.version for change in front.changelog}:
        reason = f"no entry for version {front.version}: add a line that says what changed"
        yield Problem(file=name, line=matter.line("$.changelog"), rule="front-matter", reason=reason)
    fields = [field.name for field in CHANNELS[channel].fields]
    if set(front.output) != set(fields):
        reason = f"`output` has {', '.join(front.output)}: the fields of {channel} are {', '.join(fields)}"
        yield Problem(file=name, line=matter.line("$.output"), rule="front-matter", reason=reason)


def _body(name: str, text: str) -> tuple[int, str]:
    """Give the body and the line on which it begins. Raises `TemplateError`."""
    _, body = split(name, text)
    return text.count("\n") - body.count("\n") + 1, body


def _body_line(text: str) -> int:
    try:
        return _body("", text)[0]
    except TemplateError:
        return 1


def _repeated(files: Mapping[str, str]) -> Iterator[Problem]:
    """Files that are the same version of the same prompt under two names."""
    versions: dict[tuple[str, str, int], list[str]] = {}
    for name, text in files.items():
        front = None if name.startswith(PARTIALS) else read_front(name, text).front
        if front is not None:
            versions.setdefault((front.channel, front.dialect, front.version), []).append(name)
    for (channel, dialect, version), names in versions.items():
        for name in names[1:]:
            reason = f"{names[0]!r} is version {version} of the {dialect} prompt for {channel} already"
            yield Problem(file=name, line=1, rule="file", reason=reason)


def _invisible(name: str, text: str) -> Iterator[Problem]:
    """Characters that nobody sees in a file, and an engine would read."""
    for number, line in enumerate(text.split("\n"), 1):
        if (found := _INVISIBLE.search(line)) is not None:
            reason = (
                f"U+{ord(found.group()):04X} at character {found.start() + 1} cannot be seen: take it out"
            )
            yield Problem(file=name, line=number, rule="file", reason=reason)


def _too_long(name: str, text: str) -> Problem:
    reason = f"{len(text)} characters: at most {LONGEST_FILE}"
    return Problem(file=name, line=1, rule="file", reason=reason)
