"""What people decide about a variant: accept it, reject it with a reason, or edit it. Nothing is forgotten.

A draft never changes; decisions stand beside it, one after the other, each with who and when.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from prompts.variant import CheckResult, Fields, Variant
from service.errors import InvalidInput
from service.refusals import text_refusal

Verdict = Literal["accepted", "rejected", "edited"]

LONGEST_REASON = 1_000


class DecisionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One decision about a variant as it stands."""

    verdict: Verdict
    reason: Annotated[str, msgspec.Meta(max_length=LONGEST_REASON)] = ""
    """Why; a rejection needs one."""
    fields: Fields | None = None
    """With `edited`: the fields that change, by name. The others stay as they are."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who decided: the API key, as the access layer knows it."""

    key_id: str
    name: str
    """The key's name, e.g. `studio`."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision that was made."""

    number: int
    """1, 2, ... in the order of a variant's decisions."""
    verdict: Verdict
    by: Actor
    at: datetime
    reason: str = ""
    fields: Fields | None = None
    """The whole copy after an edit; none for the other verdicts, which change no copy."""
    checks: tuple[CheckResult, ...] | None = None
    """What the rules say of the edited copy."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a variant stands after every decision about it. The variant itself keeps what was written."""

    variant_id: str
    verdict: Verdict
    """The last one."""
    by: Actor
    at: datetime
    reason: str
    decisions: int
    """How many there were."""
    edited: bool
    """Whether the copy is no longer the one that was written."""
    status: Literal["passed", "failed", "malformed"]
    """Of the copy as it stands."""
    fields: Fields
    """The copy as it stands."""
    checks: tuple[CheckResult, ...]


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's copy as it stands: written, or edited since."""

    fields: Fields
    checks: tuple[CheckResult, ...]
    status: Literal["passed", "failed", "malformed"]


def checked(request: DecisionRequest) -> DecisionRequest:
    """Return it; raises InvalidInput for a rejection without a reason, or fields that do not belong."""
    if refused := text_refusal("reason", request.reason, LONGEST_REASON):
        raise InvalidInput(refused)
    if request.verdict == "rejected" and not request.reason.strip():
        raise InvalidInput("a rejection needs a `reason`: say what is wrong with the copy")
    if request.verdict == "edited" and not request.fields:
        raise InvalidInput("an edit needs `fields`: send those that change, by name")
    if request.verdict != "edited" and request.fields is not None:
        raise InvalidInput(
            f"`fields` do not belong to {request.verdict!r}: send an edit first, then decide about it"
        )
    return request


def copy_of(variant: Variant, decisions: tuple[Decision, ...]) -> Copy:
    """Return the copy of a variant as it stands after these decisions, oldest first."""
    for decision in reversed(decisions):
        if decision.fields is not None and decision.checks is not None:
            passed = all(check.passed for check in decision.checks)
            return Copy(
                fields=decision.fields, checks=decision.checks, status="passed" if passed else "failed"
            )
    return Copy(fields=variant.fields, checks=variant.checks, status=variant.status)


def standing_of(variant: Variant, decisions: tuple[Decision, ...]) -> Standing | None:
    """Say where a variant stands; none when nobody has decided about it."""
    if not decisions:
        return None
    last, copy = decisions[-1], copy_of(variant, decisions)
    return Standing(
        variant_id=variant.id,
        verdict=last.verdict,
        by=last.by,
        at=last.at,
        reason=last.reason,
        decisions=len(decisions),
        edited=any(decision.verdict == "edited" for decision in decisions),
        status=copy.status,
        fields=copy.fields,
        checks=copy.checks,
    )
