"""What comes back: copy in the channel's fields, with its checks, scores and provenance."""

from typing import Literal

import msgspec

Severity = Literal["error", "warning"]
"""An `error` keeps a variant from passing; a `warning` is shown beside it."""

Fields = dict[str, str | list[str]]
"""The channel's fields by name; list fields (headlines, hashtags) hold several texts."""


def texts(fields: Fields) -> list[str]:
    """List every text of the copy, in the order of its fields."""
    return [text for value in fields.values() for text in ([value] if isinstance(value, str) else value)]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a check found."""

    rule: str
    """Stable id, e.g. `length.hard`, `facts.product`, `invented.number`."""
    severity: Severity
    field: str | None
    """Field name, with an index for list fields: `headlines[1]`."""
    span: tuple[int, int] | None
    """Start and end in the field's text, in characters."""
    reason: str
    """A sentence that quotes the text and says what the rule wants."""


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's verdict on a variant. Rules that found nothing are listed too, as passed."""

    rule: str
    passed: bool
    """False when it has a finding of severity `error`."""
    findings: tuple[Finding, ...] = ()


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One scorer's number for a variant, and what it rests on."""

    name: str
    value: float
    reason: str = ""
    passed: bool | None = None
    """Whether it is good enough by the scorer's own bar; none where a scorer only compares."""
    evidence: tuple[str, ...] = ()
    """What the number rests on, word for word: sentences of the copy, findings, reasons of a judge."""
    low: float | None = None
    high: float | None = None
    """The interval of the value, where a scorer knows one."""


class Unscored(msgspec.Struct, frozen=True, kw_only=True):
    """Why a scorer gave a variant no number."""

    name: str
    reason: str
    failed: bool = False
    """Whether the scorer broke, rather than having nothing to say of this copy."""


CONTROL = "control"
"""The id of the text in use today, where copy is scored beside one."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What made a variant: enough to make it again."""

    prompt: str
    """Name and version, e.g. `email/pocket.v1`."""
    prompt_digest: str
    """sha256 of the template file, hex, first 16 digits."""
    engine: str
    model: str
    seed: int
    attempts: int
    """How many asks it took, the successful one included."""
    snapshot: str | None = None
    brand: str | None = None
    """The brand's version, a digest of what it says (`prompts.brand.version`); none without one."""
    examples: tuple[str, ...] = ()
    """The accepted copy its prompt showed, as `draft/variant`."""
    note: str = ""
    """What must be known of the model, e.g. that it is a demonstration model; empty for others."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of written copy. `status` is `passed` only when no check found an error;
    `failed` keeps the text and says why; `malformed` has no fields, only the engine's raw answer.
    """

    id: str
    status: Literal["passed", "failed", "malformed"]
    fields: Fields
    checks: tuple[CheckResult, ...]
    provenance: Provenance
    scores: tuple[Score, ...] = ()
    raw: str | None = None
    """The engine's answer, kept only when it was malformed."""
    unscored: tuple[Unscored, ...] = ()
    """Scorers that have no number for it, and why."""
