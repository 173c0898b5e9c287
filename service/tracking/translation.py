"""From one of Segment's calls to what the store keeps: events, traits that were said, a merge."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from math import isfinite
from typing import Any, cast, get_args

import msgspec

from service.counts import Reject
from service.events.model import Event
from service.profiles.identity import Link, Told
from service.profiles.model import Trait
from service.quality.model import Kind, Observation, example, pattern
from service.refusals import id_refusal, json_refusal, quoted
from service.tracking.model import Call, Message
from service.tracking.names import Meaning, meaning_of
from service.validation import explain

WRONG_CLOCK = timedelta(minutes=5)
"""How far a sender's clock may be off before its times are corrected, as Segment does."""

_ITEM = ("product_id", "productId", "sku")
_DEEPEST_TRAIT = 3


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """What one call says, or why it says nothing."""

    id: str = ""
    events: tuple[Event, ...] = ()
    derived: frozenset[str] = frozenset()
    """Properties of the events that the call itself does not say."""
    told: Told | None = None
    link: Link | None = None
    refusal: str | None = None
    notes: tuple[Observation, ...] = ()


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """When a body came, and when its sender says it was sent; none where that does not matter: an import."""

    received_at: datetime
    sent_at: datetime | None = None


def arrival(received_at: datetime, sent_at: str | None) -> Arrival:
    """Note when a body came; what is no time of sending is none."""
    return Arrival(received_at=received_at, sent_at=_moment(sent_at))


def read_calls(batch: Sequence[dict[str, Any]]) -> tuple[list[tuple[int, Call, Message]], list[Reject]]:
    """Read the calls of a batch, with their places, and say which are none; CPU work."""
    calls, rejects = list[tuple[int, Call, Message]](), list[Reject]()
    for place, said in enumerate(batch):
        try:
            message = msgspec.convert(said, Message)
        except msgspec.ValidationError as error:
            problem = explain(error, said, Message)
            rejects.append(
                Reject(
                    row=place,
                    id=str(said.get("messageId", ""))[:200],
                    reason=f"{problem.path}: {problem.reason}",
                )
            )
            continue
        if message.type is None:
            reason = f"the call has no type: name one of {', '.join(get_args(Call))}"
            rejects.append(Reject(row=place, id=_text(message.message_id)[:200], reason=reason))
        else:
            calls.append((place, message.type, message))
    return calls, rejects


def translated(message: Message, call: Call, came: Arrival) -> Translation:
    """Translate a call; CPU work."""
    return _Reading(message, call, came).read()


class _Reading:
    """One call on its way: what was odd about it so far."""

    def __init__(self, message: Message, call: Call, came: Arrival) -> None:
        self._message, self._call, self._came = message, call, came
        self._notes: list[Observation] = []
        self._derived: frozenset[str] = frozenset()
        self._id = _text(message.message_id) or _digest(message, call)

    def read(self) -> Translation:
        message = self._message
        user, anonymous = _text(message.user_id), _text(message.anonymous_id)
        previous = _text(message.previous_id) or anonymous if self._call == "alias" else anonymous
        at = self._time()
        problem = (
            (f"timestamp {quoted(message.timestamp)} is no ISO 8601 time" if at is None else None)
            or id_refusal("messageId", self._id)
            or (None if user or anonymous else "the call has neither userId nor anonymousId")
            or next((found for each in (user, previous) if each and (found := id_refusal("id", each))), None)
        )
        if problem or at is None:
            return self._refused(problem)
        if self._call == "alias":
            if not (user and previous):
                return self._refused("alias needs previousId and userId")
            link = Link(anonymous_id=previous, profile_id=user, at=at)
            return Translation(id=self._id, link=link)
        if self._call == "identify":
            return self._identified(user, anonymous, at)
        if self._call == "track" and not (message.event or "").strip():
            return self._refused("track needs event, the name of what was done")
        if self._came.sent_at is None and message.timestamp is None and message.original_timestamp is None:
            self._note("missing", "timestamp", "the time of arrival was taken")
        events = tuple(self._events(user or anonymous, at))
        return Translation(id=self._id, events=events, derived=self._derived, notes=tuple(self._notes))

    def _refused(self, problem: str | None) -> Translation:
        return Translation(id=self._id[:200], refusal=problem)

    def _note(self, kind: Kind, about: str, done: str) -> None:
        shown = example(self._id, about)
        self._notes.append(Observation(kind=kind, about=pattern(about), done=done, example=shown))

    def _time(self) -> datetime | None:
        """When it happened, by the sender's clock, put right where that is wrong; none for no time."""
        message, came = self._message, self._came
        said = message.timestamp or message.original_timestamp
        time = _moment(said) if said else came.sent_at or came.received_at
        if time is None or came.sent_at is None:
            return time
        wrong = came.received_at - came.sent_at
        if abs(wrong) <= WRONG_CLOCK:
            return time
        self._note(
            "impossible", "the sender's clock is wrong by more than five minutes", "its times were corrected"
        )
        return time + wrong

    def _identified(self, user: str, anonymous: str, at: datetime) -> Translation:
        traits: dict[str, Trait] = {}
        for name, value in _flat(self._message.traits or {}, ""):
            if isinstance(value, list):
                texts = [
                    each if isinstance(each, str) else msgspec.json.encode(each).decode()
                    for each in cast("list[Any]", value)
                ]
                traits[name] = ", ".join(texts)
                self._note("changed", f"trait {name!r} is a list", "its values were joined by commas")
            else:
                traits[name] = value
        if problem := json_refusal("traits", traits):
            return self._refused(problem)
        link = Link(anonymous_id=anonymous, profile_id=user, at=at) if user and anonymous else None
        told = Told(profile_id=user or anonymous, traits=traits, at=at)
        return Translation(id=self._id, told=told, link=link, notes=tuple(self._notes))

    def _events(self, profile_id: str, at: datetime) -> Iterator[Event]:
        message = self._message
        properties = dict(message.properties or {})
        if self._call == "track":
            meaning = meaning_of(message.event or "")
            if meaning.channel is not None and "channel" not in properties:
                properties["channel"] = meaning.channel
                self._derived = frozenset({"channel"})
        else:
            meaning = Meaning(self._call)
            said = {"name": message.name, "category": message.category, "group_id": _text(message.group_id)}
            properties |= {name: value for name, value in said.items() if value}
            if message.traits:
                properties["traits"] = message.traits
        products = _products(properties) if meaning.each else []
        if not products:
            yield self._event(self._id, profile_id, meaning, at, properties)
            return
        shared = {name: value for name, value in properties.items() if not isinstance(value, list | dict)}
        whole = {name: value for name, value in shared.items() if name not in {"value", "revenue", "total"}}
        for number, product in enumerate(products):
            own = {**whole, **product}
            yield self._event(f"{self._id}:{number}" if number else self._id, profile_id, meaning, at, own)

    def _event(
        self, event_id: str, profile_id: str, meaning: Meaning, at: datetime, properties: dict[str, Any]
    ) -> Event:
        item = next((found for name in _ITEM if (found := _text(properties.get(name)))), None)
        if meaning.money and item is None:
            self._note("missing", f"product_id of a {meaning.type}", "kept without an item")
        quantity = self._number("quantity", properties)
        value = self._number("value", properties)
        if value is None:
            value = self._number("revenue", properties)
        if value is None and meaning.money:
            price = self._number("price", properties)
            total = self._number("total", properties) if price is None else None
            value = total if price is None else price * (1.0 if quantity is None else quantity)
            if value is None:
                self._note("missing", f"price of a {meaning.type}", "kept without a value")
        variant = _text(properties.get("variant_id")) or None
        return Event(
            id=event_id,
            profile_id=profile_id,
            type=meaning.type,
            occurred_at=at,
            item_id=item,
            variant_id=variant,
            value=value,
            quantity=quantity,
            properties=properties,
        )

    def _number(self, name: str, properties: Mapping[str, Any]) -> float | None:
        """Read a number, also one that came as text; what is none, or below zero, is noted."""
        said = properties.get(name)
        if said is None or said == "":
            return None
        try:
            number = (
                float(said) if isinstance(said, str | int | float) and not isinstance(said, bool) else None
            )
        except (ValueError, OverflowError):
            number = None
        if number is None or not isfinite(number):
            self._note("impossible", f"{name} {quoted(said)} is no number", "kept among the properties only")
            return None
        if number < 0:
            self._note("impossible", f"{name} {quoted(said)} is below zero", "kept as it came")
        return number


def _moment(text: str | None) -> datetime | None:
    """Read ISO 8601; a time without an offset is UTC."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    """Read an id; empty for what is none."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _digest(message: Message, call: Call) -> str:
    """Name a call that has no messageId by what it says, so that sending it again is harmless."""
    said = msgspec.structs.replace(message, sent_at=None, type=call)
    return blake2b(msgspec.json.encode(said, order="deterministic"), digest_size=16).hexdigest()


def _products(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = properties.get("products")
    rows = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", row) for row in rows if isinstance(row, dict)]


def _flat(traits: Mapping[str, Any], before: str, depth: int = 1) -> Iterator[tuple[str, Any]]:
    """Name what stands inside an object by its path: `address.city`."""
    for name, value in traits.items():
        if isinstance(value, dict) and depth < _DEEPEST_TRAIT:
            yield from _flat(cast("dict[str, Any]", value), f"{before}{name}.", depth + 1)
        elif isinstance(value, dict):
            yield f"{before}{name}", msgspec.json.encode(value).decode()
        else:
            yield f"{before}{name}", value
