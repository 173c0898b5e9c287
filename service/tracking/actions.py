"""Take Segment's calls in: merges first, then traits, then events; each stored before it is counted."""

from collections.abc import Sequence
from typing import TypeVar

from service.counts import Reject
from service.events.model import refusal
from service.events.store import EventStore
from service.ingest import Outcome
from service.profiles.identity import IdentityStore, Link
from service.profiles.store import ProfileStore
from service.quality.actions import note_findings
from service.quality.model import Observation, example, pattern, refusals, repeats
from service.runtime import Runtime
from service.tracking.model import Call, Message, Received
from service.tracking.translation import Arrival, Translation, translated
from service.workspaces.store import WorkspaceStore

Part = TypeVar("Part")
Placed = tuple[int, str, Part]
"""A call's place in its body, its messageId, and what it says."""


async def receive(
    runtime: Runtime,
    workspace: str,
    source: str,
    calls: Sequence[tuple[int, Call, Message]],
    came: Arrival,
    rejects: Sequence[Reject] = (),
) -> Received:
    """Store what the calls say, each with its place in the body; `rejects` are those that could not be read.

    An event whose id is there is a duplicate; one with the id of another is refused. An item need not be in
    the catalogue yet. What was odd is noted for the source. Raises NotFound without the workspace.
    """
    translations = await runtime.run(_translated, calls, came)
    said = list(zip((place for place, _, _ in calls), translations, strict=True))
    total = _Total(rejects)
    for place, one in said:
        if one.refusal is not None:
            total.refuse(place, one.id, runtime.vault.veiled(one.refusal))
        total.observations += one.notes
    now = came.received_at
    links = [(place, one.id, one.link) for place, one in said if one.link is not None]
    total.add(links, await _merge(runtime, workspace, [link for _, _, link in links]))
    told = [(place, one.id, one.told) for place, one in said if one.told is not None]
    if told:
        async with runtime.database.write() as session:
            await WorkspaceStore(session, workspace).get()
            outcome = await IdentityStore(session, workspace).identify([each for _, _, each in told], now)
        total.add(told, outcome)
    events = [(place, each.id, each) for place, one in said for each in one.events]
    reasons = [refusal(event, now) for _, _, event in events]
    for (place, event_id, _), reason in zip(events, reasons, strict=True):
        if reason is not None:
            total.refuse(place, event_id, reason)
    events = [one for one, reason in zip(events, reasons, strict=True) if reason is None]
    if events:
        worked_out = {place: one.derived for place, one in said if one.derived}
        derived = {number: worked_out.get(place, frozenset()) for number, (place, _, _) in enumerate(events)}
        async with runtime.database.write() as session:
            await WorkspaceStore(session, workspace).get()
            store = EventStore(session, workspace)
            said_events = [event for _, _, event in events]
            outcome = await store.record(said_events, now, any_item=True, derived=derived)
        total.add(events, outcome)
    await note_findings(runtime, workspace, source, total.found())
    return total.received()


class _Total:
    """What became of all records."""

    def __init__(self, rejects: Sequence[Reject]) -> None:
        self.observations: list[Observation] = []
        self._rejects = list(rejects)
        self._stored = self._duplicate = 0

    def refuse(self, place: int, record: str, reason: str) -> None:
        self._rejects.append(Reject(row=place, id=record, reason=reason))

    def add(self, records: Sequence[Placed[Part]], outcome: Outcome) -> None:
        self._stored += outcome.stored
        self._duplicate += len(records) - outcome.stored - len(outcome.refused)
        for where, reason in outcome.refused.items():
            self.refuse(*records[where][:2], reason)
        for where, note in outcome.noted.items():
            shown = example(records[where][1], note)
            self.observations.append(
                Observation(kind="unknown", about=pattern(note), done="kept with its item_id", example=shown)
            )

    def found(self) -> list[Observation]:
        return [*self.observations, *refusals(self._rejects), *repeats(self._duplicate)]

    def received(self) -> Received:
        return Received(
            read=self._stored + self._duplicate + len(self._rejects),
            stored=self._stored,
            duplicate=self._duplicate,
            rejected=len(self._rejects),
            rejects=tuple(sorted(self._rejects, key=lambda reject: reject.row)),
        )


def _translated(calls: Sequence[tuple[int, Call, Message]], came: Arrival) -> list[Translation]:
    return [translated(message, call, came) for _, call, message in calls]


async def _merge(runtime: Runtime, workspace: str, links: Sequence[Link]) -> Outcome:
    """Merge pairs, each in its own transaction: locks are taken in one order, and none waits in a ring."""
    if not links:
        return Outcome(stored=0)
    now = runtime.now()
    first = {each: link.at for link in reversed(links) for each in (link.anonymous_id, link.profile_id)}
    async with runtime.database.write() as session:
        await WorkspaceStore(session, workspace).get()
        await ProfileStore(session, workspace).require(first, now)
    stored, refused = 0, dict[int, str]()
    for place, link in enumerate(links):
        async with runtime.database.write() as session:
            outcome = await IdentityStore(session, workspace).link(link, now)
        stored += outcome.stored
        if outcome.refused:
            refused[place] = outcome.refused[0]
    return Outcome(stored=stored, refused=refused)
