"""The labelled suite of guardrails: copies that break named rules, clean ones that look as if they did.

A folder holds `briefs.yaml` (briefs by name), `copy.yaml` (clean copy per brief and channel), and groups of
cases in `violating/*.yaml` and `clean/*.yaml`. A case is `[brief/channel, {field: text}, further rules it
breaks]`: the clean copy with some fields written anew. In a text `~` stands for what the clean copy says
there, and `headlines.1` names one text of a list. Labels are written by reading the copy, never by
running the checks.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from eval.errors import SuiteError
from eval.figures import Figure, figure, wilson
from prompts.brief import Brief
from prompts.channels import CHANNELS
from prompts.checks.rules import RULES, run_checks
from prompts.variant import CheckResult, Fields

PRECISION_GOAL = 0.98
"""Of what hard rules find, the share that is really wrong."""

Value = TypeVar("Value")
Texts = dict[str, str | list[str]]


class Case(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One copy: what it begins from, what is changed, and what it breaks beyond its group's rules."""

    of: str
    """`brief/channel`."""
    change: Texts
    also: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cases that break the same rules, or, clean, are hard for the same reason."""

    cases: tuple[Case, ...]
    breaks: tuple[str, ...] = ()
    why: str = ""


class LabelledCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy with what a reader says about it."""

    name: str
    """File and place, e.g. `violating/claims 3.7`: group and case, counted from 1."""
    brief: Brief
    fields: Fields
    breaks: frozenset[str]
    """Ids of the rules it breaks; none for clean copy."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A labelled copy beside what the checks say."""

    copy: LabelledCopy
    checks: tuple[CheckResult, ...]

    @property
    def found(self) -> frozenset[str]:
        """Ids of the rules with a finding, whatever its severity."""
        return frozenset(check.rule for check in self.checks if check.findings)


def load_labelled(folder: Path) -> tuple[LabelledCopy, ...]:
    """Read a suite's folder: its clean copy first, then every case, in the order of the files.

    Raises `SuiteError`, naming file and case, for what is missing, unknown or labelled on the wrong side.
    """
    briefs = _read(folder / "briefs.yaml", dict[str, dict[str, Any]])
    clean = _read(folder / "copy.yaml", dict[str, dict[str, Texts]])
    bases = {
        f"{name}/{channel}": fields for name, texts in clean.items() for channel, fields in texts.items()
    }
    made = {of: _brief(of, briefs) for of in bases}
    copies = [
        LabelledCopy(name=f"copy {of}", brief=made[of], fields=fields, breaks=frozenset())
        for of, fields in bases.items()
    ]
    for side in ("violating", "clean"):
        for path in sorted((folder / side).glob("*.yaml")):
            for name, group, case in _cases(path, f"{side}/{path.stem}"):
                breaks = _breaks(name, group, case, violating=side == "violating")
                if case.of not in bases:
                    raise SuiteError(f"{name}: no copy {case.of!r} in copy.yaml; write brief/channel")
                fields = _changed(name, bases[case.of], case.change)
                copies.append(LabelledCopy(name=name, brief=made[case.of], fields=fields, breaks=breaks))
    return tuple(copies)


def digest(copies: Sequence[LabelledCopy]) -> str:
    """Identify a suite: sha256 of its copies and labels, first 16 hex digits."""
    return hashlib.sha256(msgspec.json.encode(copies, order="deterministic")).hexdigest()[:16]


def judge(copies: Sequence[LabelledCopy]) -> tuple[Judged, ...]:
    """Hold every copy against every rule."""
    return tuple(Judged(copy=copy, checks=run_checks(copy.brief, copy.fields)) for copy in copies)


def measure_guardrails(judged: Sequence[Judged]) -> tuple[Figure, ...]:
    """Compute precision and recall, over all hard rules and for each rule, with Wilson intervals.

    A rule's recall is the share of the copies labelled with it in which it finds something; its precision
    the share of the copies in which it finds something that are labelled with it. Over hard rules both
    count pairs of copy and rule. They say nothing of copy unlike the suite's: the clean copies are chosen
    to be hard. A rule that no copy is labelled with has no recall, and one that finds nothing no precision.
    """
    hard = {rule.id for rule in RULES if rule.severity == "error"}
    clean = [entry for entry in judged if not entry.copy.breaks]
    figures = [
        *_shares(judged, hard, "guardrails.hard", goals=(PRECISION_GOAL, 1.0)),
        *_share("guardrails.clean.passed", sum(not entry.found & hard for entry in clean), len(clean)),
        *_share("guardrails.clean.silent", sum(not entry.found for entry in clean), len(clean)),
        figure("guardrails.copies.violating", len(judged) - len(clean)),
        figure("guardrails.copies.clean", len(clean)),
    ]
    for rule in RULES:
        figures += _shares(judged, {rule.id}, f"guardrails.{rule.id}")
    return tuple(figures)


def mistakes(judged: Sequence[Judged]) -> tuple[str, ...]:
    """List every rule that missed a copy or found one it should not have, in words."""
    told: list[str] = []
    for entry in judged:
        told += [f"{entry.copy.name}: {rule} missed" for rule in sorted(entry.copy.breaks - entry.found)]
        for check in entry.checks:
            if check.findings and check.rule not in entry.copy.breaks:
                told.append(f"{entry.copy.name}: {check.rule} found, {check.findings[0].reason}")
    return tuple(told)


def _shares(
    judged: Sequence[Judged],
    rules: set[str],
    name: str,
    goals: tuple[float | None, float | None] = (None, None),
) -> Iterator[Figure]:
    found = sum(len(entry.found & rules) for entry in judged)
    labelled = sum(len(entry.copy.breaks & rules) for entry in judged)
    right = sum(len(entry.found & entry.copy.breaks & rules) for entry in judged)
    yield from _share(f"{name}.precision", right, found, goals[0])
    yield from _share(f"{name}.recall", right, labelled, goals[1])


def _share(name: str, part: int, whole: int, goal: float | None = None) -> Iterator[Figure]:
    if whole:
        yield figure(name, part / whole, interval=wilson(part, whole), n=whole, at_least=goal)


def _read(path: Path, kind: type[Value]) -> Value:
    try:
        return _converted(yaml.safe_load(path.read_text(encoding="utf-8")), kind, str(path))
    except FileNotFoundError:
        raise SuiteError(
            f"{path} does not exist: give the folder of a suite, such as tests/guardrails"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise SuiteError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _converted(value: object, kind: type[Value], name: str) -> Value:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise SuiteError(f"{name}: {error}") from error


def _brief(of: str, briefs: dict[str, dict[str, Any]]) -> Brief:
    name, _, channel = of.partition("/")
    if name not in briefs:
        raise SuiteError(f"copy.yaml: no brief {name!r} in briefs.yaml; it holds {', '.join(briefs)}")
    if channel not in CHANNELS:
        raise SuiteError(
            f"copy.yaml: {name} has unknown channel {channel!r}; known are {', '.join(CHANNELS)}"
        )
    return _converted({"channel": channel, **briefs[name]}, Brief, f"briefs.yaml: {name}")


def _cases(path: Path, name: str) -> Iterator[tuple[str, Group, Case]]:
    for place, group in enumerate(_read(path, tuple[Group, ...]), 1):
        for number, case in enumerate(group.cases, 1):
            yield f"{name} {place}.{number}", group, case


def _breaks(name: str, group: Group, case: Case, *, violating: bool) -> frozenset[str]:
    breaks = frozenset({*group.breaks, *case.also})
    unknown = sorted(breaks - {rule.id for rule in RULES})
    if unknown:
        raise SuiteError(f"{name}: no rule {unknown[0]!r}; see the table in prompts/README.md")
    if bool(breaks) != violating:
        raise SuiteError(f"{name} breaks {sorted(breaks)}: violating copy breaks a rule, clean copy none")
    return breaks


def _changed(name: str, base: Texts, change: Texts) -> Fields:
    fields: Fields = dict(base)
    for key, value in change.items():
        field, _, place = key.partition(".")
        old = fields.get(field)
        if isinstance(old, list) and isinstance(value, str):
            fields[field] = _replaced(name, key, old, int(place) if place.isdecimal() else -1, value)
        elif old is None or place or isinstance(old, str) != isinstance(value, str):
            raise SuiteError(
                f"{name} changes {key!r}, which its copy does not have: it has {', '.join(fields)}"
            )
        else:
            fields[field] = (
                value.replace("~", old) if isinstance(value, str) and isinstance(old, str) else value
            )
    return fields


def _replaced(name: str, key: str, old: list[str], place: int, text: str) -> list[str]:
    if not 0 <= place < len(old):
        raise SuiteError(f"{name} changes {key!r}: its copy has texts 0 to {len(old) - 1} there")
    return [*old[:place], text.replace("~", old[place]), *old[place + 1 :]]
