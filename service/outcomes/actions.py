"""What a workspace's history says about copy: the one place that is asked, by drafts and by the back-test."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from eval.proxies.blend import Blend, blend
from eval.proxies.history.history import History, Place, learn
from eval.proxies.history.tally import Cell, Counts, tally_of
from eval.proxies.outcomes import Copy, Outcomes, outcomes
from eval.proxies.port import beats
from eval.scorers.copy_text import whole
from eval.scorers.headline import first_line, shipped
from prompts.brief import Brief
from prompts.variant import Score, Variant
from service.drafts.store import DraftStore
from service.outcomes.model import Added, Remembered, copies_of, copy_said, draft_of
from service.outcomes.store import OutcomeStore
from service.runtime import Runtime

CLICKS = "clicks"
"""The name of the score; `eval.scorers.registry` weighs it."""
SETTLE = timedelta(seconds=10)
"""A history younger than this is not brought up to date: learning takes seconds where there is much of it."""


class Histories:
    """Each workspace's history, brought up to date when it is asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Remembered] = {}
        self._learning: dict[str, asyncio.Lock] = {}

    async def of(self, runtime: Runtime, workspace: str) -> History:
        """Return what the workspace's impressions and clicks say, at most `SETTLE` old.

        New events are added to the counts; where an event came late, or a customer was erased, all are
        counted again. Both give the same counts, and the same counts give the same history.
        """
        async with self._learning.setdefault(workspace, asyncio.Lock()):
            known = self._known.get(workspace)
            if known is None or not timedelta(0) <= runtime.now() - known.until < SETTLE:
                known = self._known[workspace] = await _brought_up(runtime, workspace, known)
            return known.history


async def _brought_up(runtime: Runtime, workspace: str, known: Remembered | None) -> Remembered:
    now = runtime.now()
    async with runtime.database.read() as session:
        store = OutcomeStore(session, workspace)
        events = await store.recorded(now)
        if known and (now < known.until or known.events != await store.recorded(known.until)):
            known = None
        if known and known.events == events:
            return msgspec.structs.replace(known, until=now)
        added = await store.added(known.until if known else None, now)
        before: Mapping[str, Copy] = known.copies if known else {}
        unnamed = {name: each for name, each in added.items() if name not in before}
        copies = {**before, **await find_copies(session, workspace, unnamed)}
    counts = _sum(known.counts if known else {}, added)
    history = await runtime.run(_learn, counts, copies)
    return Remembered(until=now, events=events, counts=counts, copies=copies, history=history)


def _learn(counts: Mapping[str, Counts], copies: Mapping[str, Copy]) -> History:
    """Learn from variants whose channel is known; one without a text is a text of its own."""
    return learn(
        tally_of(
            (copies[name].place.cell(copies[name].text or name), each)
            for name, each in counts.items()
            if name in copies
        )
    )


def _sum(before: Mapping[str, Counts], added: Mapping[str, Added]) -> dict[str, Counts]:
    total = dict(before)
    for name, each in added.items():
        had = total.get(name, Counts())
        total[name] = Counts(had.shown + each.counts.shown, had.clicked + each.counts.clicked)
    return total


async def find_copies(
    session: AsyncSession, workspace: str, variants: Mapping[str, Added]
) -> dict[str, Copy]:
    """Look up what variants say: in the workspace's drafts, else in an event's properties."""
    found = await copies_of_drafts(session, workspace, variants)
    elsewhere = [each.event_id for name, each in variants.items() if name not in found and each.event_id]
    for name, item, properties in await OutcomeStore(session, workspace).said(elsewhere):
        if (copy := copy_said(item, properties)) is not None:
            found[name] = copy
    return found


async def copies_of_drafts(session: AsyncSession, workspace: str, variants: Iterable[str]) -> dict[str, Copy]:
    """Look up the copy of those variants that are in the workspace's drafts."""
    wanted = set(variants)
    drafts = await DraftStore(session, workspace).get_many({draft_of(name) for name in wanted} - {""})
    named = {name: copy for draft in drafts for name, copy in copies_of(draft).items()}
    return {name: copy for name, copy in named.items() if name in wanted}


async def logged_outcomes(runtime: Runtime, workspace: str) -> Outcomes:
    """Return the workspace's logged impressions and clicks as trials, for the back-test."""
    async with runtime.database.read() as session:
        store = OutcomeStore(session, workspace)
        copies = await find_copies(session, workspace, await store.added(None, runtime.now()))
        events = await store.events()
    return await runtime.run(outcomes, events, copies)


async def history_scores(
    runtime: Runtime,
    workspace: str,
    brief: Brief,
    variants: Sequence[Variant],
    *,
    item_id: str | None,
    segment: str | None,
) -> list[Score | None]:
    """Score each variant by what the workspace's own clicks say of its text: in the order of `variants`.

    The score `clicks` is the probability of being clicked more than another variant of the brief, averaged
    over the others (0.5: nothing speaks for or against it). The headline proxy has a share in it that
    dwindles as people are shown the text (`eval.proxies.blend`); the reason says how large. None for all
    where nobody was shown any of the texts, nor copy with the same opening, in this channel; and for a
    variant without copy.

    When it lies: as `eval.proxies.history.model` says; and a text is known again only when it is the same
    but for case and punctuation. Texts that mean the same are strangers to it.
    """
    written = [place for place, variant in enumerate(variants) if whole(variant)]
    scores: list[Score | None] = [None] * len(variants)
    history = await runtime.histories.of(runtime, workspace)
    item = item_id or brief.product.id
    cells = [
        Place(brief.channel, variants[place].provenance.prompt, segment or "", item).cell(
            whole(variants[place])
        )
        for place in written
    ]
    if len(cells) < 2 or not any(_known(history, cell) for cell in cells):
        return scores
    lines = [first_line(variants[place]) for place in written]
    answer = await runtime.run(_blended, history, cells, lines)
    for row, place in enumerate(written):
        scores[place] = _score(history, cells[row], answer, row)
    return scores


def _blended(history: History, cells: Sequence[Cell], lines: Sequence[str]) -> Blend:
    """Blend what clicks say of texts with what the headline proxy says of their first lines."""
    known = history.utilities(cells)
    proxy = shipped()
    read = {} if isinstance(proxy, str) else {proxy.name: proxy.utilities(lines)}
    return blend({history.name: known, **read}, known.spread)


def _known(history: History, cell: Cell) -> bool:
    return history.evidence(cell).shown > 0 or history.evidence(cell, "opening").shown > 0


def _score(history: History, cell: Cell, answer: Blend, row: int) -> Score:
    others = [other for other in range(len(answer.prediction)) if other != row]
    value = sum(beats(answer.prediction, row, other) for other in others) / len(others)
    weights = ", ".join(f"{name} {weight[row]:.0%}" for name, weight in answer.weights.items())
    return Score(name=CLICKS, value=value, reason=f"{_reason(history, cell)}; weights: {weights}")


def _reason(history: History, cell: Cell) -> str:
    text, opening = history.evidence(cell), history.evidence(cell, "opening")
    if text.shown:
        return f"of {text.shown:,} people shown this text, {text.clicked:,} clicked"
    if opening.shown:
        return (
            f"of {opening.shown:,} people shown another text with this opening, {opening.clicked:,} clicked"
        )
    return "nobody was shown this text yet"
