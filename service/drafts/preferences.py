"""What people accepted against what they rejected or edited away, as pairs to tune a model by.

Pairs are of one prompt: the messages of the brief, rendered again by the very template that asked, with the
copy written back as the engine would have answered it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from prompts.answers import as_answer
from prompts.catalog import Template
from prompts.engine import Message
from prompts.render import render
from prompts.variant import Fields, Variant
from service.drafts.decision import Decision, copy_of
from service.drafts.decision_store import DecisionStore, History
from service.drafts.model import Draft
from service.drafts.store import DraftStore
from service.runtime import Runtime

DRAFTS_AT_ONCE = 200
SHOWN_DIGITS = 16
"""Of a template's digest, as in a variant's provenance."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the export: TRL's conversational preference format, then where the pair came from."""

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    channel: str
    language: str
    template: str
    """Name and version of the prompt, e.g. `email/full.v1`."""
    chosen_from: str
    """`draft/variant` that was accepted."""
    rejected_from: str
    """`draft/variant` that was rejected or edited."""
    rejected_because: Literal["rejected", "edited"]
    reason: str
    """What was said against it."""
    decided_at: datetime
    """When the chosen copy was accepted."""


class PreferenceCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What an export read and made."""

    pairs: int
    drafts: int
    """With a variant somebody has decided about."""
    accepted: int
    rejected: int
    edited_away: int
    """Written copy that an edit replaced."""
    prompt_gone: int
    """Variants left out, since the template that asked for them is no longer there as it was."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Copy somebody decided about, as an answer to its prompt."""

    text: str
    whence: str
    at: datetime
    because: Literal["rejected", "edited"] | None = None
    """None for accepted copy."""
    reason: str = ""


class _Prompt(msgspec.Struct, kw_only=True):
    """Everything decided about the answers to one prompt."""

    messages: tuple[Message, ...]
    template: Template
    language: str
    answers: list[_Answer]


async def gather_preferences(
    runtime: Runtime, workspace: str, templates: Iterable[Template]
) -> tuple[list[Pair], PreferenceCounts]:
    """Make every pair of the workspace's decisions, the earliest acceptance first; the same each time.

    `templates` are all that may have asked for a variant; which one did, its provenance says.
    """
    known = {(template.name, template.digest[:SHOWN_DIGITS]): template for template in templates}
    prompts: dict[bytes, _Prompt] = {}
    drafts = gone = 0
    after: str | None = None
    while True:
        async with runtime.database.read() as session:
            page = await DraftStore(session, workspace).page(after, DRAFTS_AT_ONCE, decided=True)
            histories = await DecisionStore(session, workspace).of_drafts([draft.id for draft in page.rows])
        for draft in page.rows:
            drafts += 1
            gone += await runtime.run(_collect, prompts, draft, histories.get(draft.id, {}), known)
        after = page.next_after
        if after is None:
            break
    answers = [answer for prompt in prompts.values() for answer in prompt.answers]
    pairs = sorted(
        (pair for prompt in prompts.values() for pair in _pairs(prompt)),
        key=lambda pair: (pair.decided_at, pair.chosen_from, pair.rejected_from, pair.rejected_because),
    )
    return pairs, PreferenceCounts(
        pairs=len(pairs),
        drafts=drafts,
        accepted=sum(answer.because is None for answer in answers),
        rejected=sum(answer.because == "rejected" for answer in answers),
        edited_away=sum(answer.because == "edited" for answer in answers),
        prompt_gone=gone,
    )


def _collect(
    prompts: dict[bytes, _Prompt],
    draft: Draft,
    history: History,
    known: Mapping[tuple[str, str], Template],
) -> int:
    """File a draft's decided variants under their prompts; answers how many prompts are gone."""
    gone = 0
    for variant in draft.variants:
        decisions = history.get(variant.id, ())
        if not decisions:
            continue
        template = known.get((variant.provenance.prompt, variant.provenance.prompt_digest))
        if template is None:
            gone += 1
            continue
        messages = render(template, draft.brief)
        key = msgspec.json.encode((template.digest, messages))
        prompt = prompts.setdefault(
            key,
            _Prompt(messages=messages, template=template, language=draft.brief.language, answers=[]),
        )
        prompt.answers += _answers(draft, variant, decisions, template)
    return gone


def _answers(
    draft: Draft, variant: Variant, decisions: tuple[Decision, ...], template: Template
) -> Iterable[_Answer]:
    """Give what was decided about one variant: its copy as it stands, and as written if edited since."""
    last, copy = decisions[-1], copy_of(variant, decisions)
    known: dict[str, Any] = {"whence": f"{draft.id}/{variant.id}"}

    def text(fields: Fields) -> str:
        return as_answer(draft.brief, fields, template.front.dialect)

    if copy.fields and last.verdict == "accepted":
        yield _Answer(text=text(copy.fields), at=last.at, **known)
    if copy.fields and last.verdict == "rejected":
        yield _Answer(text=text(copy.fields), at=last.at, because="rejected", reason=last.reason, **known)
    edits = [decision for decision in decisions if decision.verdict == "edited"]
    if edits and variant.fields and variant.fields != copy.fields:
        reason = next((edit.reason for edit in edits if edit.reason), "")
        yield _Answer(text=text(variant.fields), at=edits[0].at, because="edited", reason=reason, **known)


def _pairs(prompt: _Prompt) -> Iterable[Pair]:
    """Pair each accepted answer with each one that was not; a text accepted elsewhere is no bad example."""
    seen: set[tuple[str, str]] = set()
    ordered = sorted(prompt.answers, key=lambda answer: (answer.at, answer.whence, answer.because or ""))
    accepted = {answer.text for answer in ordered if answer.because is None}
    for chosen in (answer for answer in ordered if answer.because is None):
        for worse in ordered:
            if worse.because is None or worse.text in accepted or (chosen.text, worse.text) in seen:
                continue
            seen.add((chosen.text, worse.text))
            yield Pair(
                prompt=prompt.messages,
                chosen=(Message(role="assistant", content=chosen.text),),
                rejected=(Message(role="assistant", content=worse.text),),
                channel=prompt.template.front.channel,
                language=prompt.language,
                template=prompt.template.name,
                chosen_from=chosen.whence,
                rejected_from=worse.whence,
                rejected_because=worse.because,
                reason=worse.reason,
                decided_at=chosen.at,
            )
