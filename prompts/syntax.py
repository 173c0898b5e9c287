"""The part of Jinja2 that prompts may use, and what a template's syntax tree says it reads.

Allowed: text, comments, `{{ input }}`, `{% if %}`, `{{ a if b else c }}`, comparisons, `and`, `or`, `not`,
`{% include "partials/..." %}`, and a few filters on words. Nothing that loops, calls, binds or computes: so a
template of any author ends, costs no more than its length, and cannot cut a brief's text out of its fence.
"""

import difflib
import functools
import re
from collections import deque
from collections.abc import Iterator, Mapping

import jinja2
import msgspec
from jinja2 import nodes

from prompts import special_tokens
from prompts.engine import Dialect
from prompts.inputs import INPUTS
from prompts.render import environment

FILTERS = ("capitalize", "lower", "title", "trim", "upper")
"""Filters a template may put to a word."""

LONGEST_EXPANSION = 100_000
"""Characters of one message's source with everything it includes."""

DEEPEST = 20
"""How deep partials may include each other."""

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Include,
    nodes.Filter,
    nodes.Tuple,
    nodes.List,
)
_MERGE_TAG = re.compile(r"\{\{[^{}]*\|\s*default\s*:")
_ROLE = re.compile(r"^(?:assistant|developer|tool|function|model):[ \t]*$", re.MULTILINE)

_CALLED: Mapping[type[nodes.Node], str] = {
    nodes.For: "a loop",
    nodes.Call: "a call",
    nodes.Assign: "`set`",
    nodes.AssignBlock: "`set`",
    nodes.NSRef: "a namespace",
    nodes.Macro: "a macro",
    nodes.CallBlock: "a call block",
    nodes.FilterBlock: "a filter block",
    nodes.Block: "a block",
    nodes.Extends: "`extends`",
    nodes.Import: "`import`",
    nodes.FromImport: "`import`",
    nodes.With: "`with`",
    nodes.Getitem: "square brackets",
    nodes.Test: "a test with `is`",
    nodes.Concat: "`~`",
    nodes.Dict: "a dictionary",
}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a source; `line` counts from 1 within it."""

    line: int
    rule: str
    reason: str


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a source reads, and what is wrong with it."""

    inputs: dict[str, int]
    """Every input it uses, with the first line that does."""
    includes: dict[str, int]
    """Every partial it includes, with the first line that does."""
    faults: tuple[Fault, ...] = ()


def read(source: str) -> Read:
    """Read a source's syntax tree: its inputs, its partials, and everything outside the allowed part."""
    try:
        tree = environment().parse(source)
    except jinja2.TemplateSyntaxError as error:
        reason = error.message or "cannot be read"
        if _MERGE_TAG.search(source.split("\n")[error.lineno - 1]):
            reason = (
                "a merge tag cannot stand in a prompt: `{{ merge_tag }}` shows the one that copy greets with"
            )
        return Read(inputs={}, includes={}, faults=(Fault(line=error.lineno, rule="syntax", reason=reason),))
    except RecursionError:
        return Read(
            inputs={},
            includes={},
            faults=(Fault(line=1, rule="syntax", reason="nested too deep to be read: make it flatter"),),
        )
    inputs: dict[str, int] = {}
    includes: dict[str, int] = {}
    faults: list[Fault] = []
    bound = {node.name for node in _walk(tree) if isinstance(node, nodes.Name) and node.ctx != "load"}
    for node in _walk(tree):
        if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in bound:
            inputs.setdefault(node.name, node.lineno)
        if isinstance(node, nodes.Include) and isinstance(node.template, nodes.Const):
            includes.setdefault(str(node.template.value), node.lineno)
        faults += _faults(node)
    return Read(inputs=inputs, includes=includes, faults=tuple(dict.fromkeys(faults)))


def unknown(name: str) -> str:
    """Say that a template may not read an input of this name, and which name is near."""
    near = difflib.get_close_matches(name, INPUTS, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "prompts/README.md lists them"
    return f"`{name}` is no input: {hint}"


def misplaced(name: str, dialect: Dialect) -> str | None:
    """Say why a dialect may not read this input; none when it may."""
    if dialect in INPUTS[name].dialects:
        return None
    why = {
        "full": "facts are spelled out in the full dialect, and nothing fills slots there",
        "pocket": "the pocket dialect sees facts as slots only, never a brief's text",
    }
    return f"`{name}` is not for the {dialect} dialect: {why[dialect]}"


def expansion(source: str, partials: Mapping[str, str], within: tuple[str, ...] = ()) -> int | str:
    """Count the characters a source can render to, before its inputs; or say why its includes never end.

    Stops counting beyond `LONGEST_EXPANSION`, so that partials that multiply each other cost nothing.
    """
    if len(within) > DEEPEST:
        return f"partials include each other more than {DEEPEST} deep: {' > '.join(within[:3])} > ..."
    total = len(source)
    for name in _included(source):
        if name in within:
            return f"{name!r} includes itself"
        inner = expansion(partials.get(name, ""), partials, (*within, name))
        if isinstance(inner, str):
            return inner
        total += inner
        if total > LONGEST_EXPANSION:
            break
    return total


@functools.lru_cache(maxsize=256)
def _included(source: str) -> tuple[str, ...]:
    """Every include of a source that can be read, one entry each time it stands there."""
    try:
        tree = environment().parse(source)
    except (jinja2.TemplateSyntaxError, RecursionError):
        return ()
    found = (node.template for node in _walk(tree) if isinstance(node, nodes.Include))
    return tuple(str(template.value) for template in found if isinstance(template, nodes.Const))


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Every node in reading order; a loop, since a long chain of `or` is a tree as deep as it is long."""
    waiting = deque([tree])
    while waiting:
        node = waiting.popleft()
        yield node
        waiting.extendleft(reversed(list(node.iter_child_nodes())))


def _faults(node: nodes.Node) -> Iterator[Fault]:
    if not isinstance(node, _ALLOWED):
        # A few nodes that Jinja2 adds by itself have no line.
        yield Fault(line=node.lineno or 1, rule="sandbox", reason=_refused(node))
    elif isinstance(node, nodes.Getattr):
        yield from _part_faults(node)
    elif isinstance(node, nodes.Filter):
        yield from _filter_faults(node)
    elif isinstance(node, nodes.Include):
        yield from _include_faults(node)
    elif isinstance(node, nodes.CondExpr):
        if node.expr2 is None:
            reason = "`a if b` gives nothing otherwise: add `else`"
            yield Fault(line=node.lineno, rule="syntax", reason=reason)
    elif isinstance(node, nodes.Name) and node.name.startswith("_"):
        reason = f"`{node.name}`: names with a leading _ are closed"
        yield Fault(line=node.lineno, rule="sandbox", reason=reason)
    elif isinstance(node, nodes.TemplateData | nodes.Const):
        yield from _token_faults(node)


def _refused(node: nodes.Node) -> str:
    name = _CALLED.get(type(node), type(node).__name__.lower())
    return (
        f"{name}: not in a prompt, which may use inputs, `if`, comparisons with constants, `include`, "
        f"and the filters {', '.join(FILTERS)}"
    )


def _part_faults(node: nodes.Getattr) -> Iterator[Fault]:
    owner = node.node.name if isinstance(node.node, nodes.Name) else None
    known = INPUTS.get(owner or "")
    if node.attr.startswith("_"):
        reason = f"`.{node.attr}` reaches behind an input: a prompt reads inputs and their parts only"
        yield Fault(line=node.lineno, rule="sandbox", reason=reason)
    elif known is None or node.attr not in known.parts:
        there = f"it has {', '.join(known.parts)}" if known and known.parts else "it has no parts"
        reason = f"`.{node.attr}` is no part of `{owner or 'this'}`: {there}"
        yield Fault(line=node.lineno, rule="inputs", reason=reason)


def _filter_faults(node: nodes.Filter) -> Iterator[Fault]:
    if node.name not in FILTERS or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
        reason = f"filter `{node.name}` is not among {', '.join(FILTERS)}, which take no arguments"
        yield Fault(line=node.lineno, rule="sandbox", reason=reason)
    read = [inner.name for inner in _walk(node) if isinstance(inner, nodes.Name)]
    if any(INPUTS[name].kind != "word" for name in read if name in INPUTS):
        reason = f"filter `{node.name}` changes words only: what a brief says is shown as it is or left out"
        yield Fault(line=node.lineno, rule="sandbox", reason=reason)


def _include_faults(node: nodes.Include) -> Iterator[Fault]:
    plain = isinstance(node.template, nodes.Const) and isinstance(node.template.value, str)
    if not plain or node.ignore_missing or not node.with_context:
        reason = 'include one partial by its name: {% include "partials/NAME.vN.j2" %}'
        yield Fault(line=node.lineno, rule="partials", reason=reason)


def _token_faults(node: nodes.TemplateData | nodes.Const) -> Iterator[Fault]:
    text = node.data if isinstance(node, nodes.TemplateData) else str(node.value)
    if (role := _ROLE.search(text)) is not None:
        line = node.lineno + text.count("\n", 0, role.start())
        reason = f"`{role.group().strip()}` opens no message: messages begin with `system:`, `user:`"
        yield Fault(line=line, rule="roles", reason=reason)
    found = special_tokens.find(text)
    if found is not None:
        line = node.lineno + text.count("\n", 0, found.start())
        reason = (
            f"{found.group()!r} is a chat template's special token: messages begin with `system:`, `user:`"
        )
        yield Fault(line=line, rule="roles", reason=reason)
