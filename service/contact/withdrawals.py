"""Events that are a word against hearing from us."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from service.contact.model import PERSONAL, Consent, channel_refusal
from service.events.model import Event

WITHDRAWALS = frozenset({"unsubscribe", "complaint"})


def withdrawals(events: Iterable[Event], now: datetime) -> Iterator[Consent]:
    """Read the words against a channel out of events, each as of its time, at the latest now.

    On the channel that the event's `channel` property names, else on every one that reaches a person.
    """
    for event in events:
        if event.type not in WITHDRAWALS:
            continue
        said = event.properties.get("channel")
        named = (said,) if isinstance(said, str) and channel_refusal(said) is None else PERSONAL
        for channel in named:
            yield Consent(
                profile_id=event.profile_id,
                channel=channel,
                granted=False,
                changed_at=min(event.occurred_at, now),
                source=event.type,
            )
