"""The load of `bench soak`: requests of every kind at fixed rates, from a process of its own.

An open loop: each request is sent at its moment, whether or not those before it were answered, and waits from
that moment on. A server that is slow, or a load that comes late, is seen in full.
"""

import asyncio
import heapq
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from service.campaigns.model import Campaign

RATES: Mapping[str, float] = {
    "ingest": 4.0,
    "recommend": 5.0,
    "count": 2.0,
    "members": 1.0,
    "preview": 0.5,
    "draft": 1.0,
    "campaign": 0.02,
    "progress": 0.5,
}
"""Requests a second, by verb: what two cores carry without much waiting."""
EVENTS = 25
"""Of a request of the verb `ingest`."""
TIMEOUT_SECONDS = 60.0
STAGGER_SECONDS = 0.05
"""Verbs begin one after the other by so much, so that no moment is that of all of them."""
PAGE = 50
"""Members asked for at a time."""
SHOWN_CHARACTERS = 300
_TYPES = ("view", "view", "view", "click", "add_to_cart", "purchase")


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and where to."""

    url: str
    key: str
    begins: float
    """On the clock of `time.monotonic`, which all processes of a machine share."""
    warm_seconds: float
    """Load before that moment, which is left out of what is measured."""
    seconds: float
    rates: dict[str, float]
    profiles: tuple[str, ...]
    items: tuple[str, ...]
    wants: tuple[str, ...]
    """Words that audiences are previewed by."""
    latest: datetime
    """When the newest event of the store happened: those that are sent come after it."""
    campaign: Campaign
    """Ordered again and again, each time under a name and with a seed of its own."""
    seed: int


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """What became of one request."""

    verb: str
    due: float
    """Seconds since the load began to count; negative before it did."""
    late: float
    """By how much the load itself sent it too late."""
    seconds: float
    """From the moment it was due until its answer was read."""
    status: int
    """0 where there was no answer."""
    problem: str = ""


def moments(rates: Mapping[str, float], first: float, last: float) -> Iterator[tuple[float, str]]:
    """List when each verb is due between two moments, in order: every 1 / rate seconds."""

    def of(place: int, verb: str) -> Iterator[tuple[float, str]]:
        number = 0
        while (due := first + place * STAGGER_SECONDS + number / rates[verb]) < last:
            yield due, verb
            number += 1

    return heapq.merge(*(of(place, verb) for place, verb in enumerate(rates) if rates[verb] > 0))


async def keep_time(
    due: Iterable[tuple[float, str]],
    send: Callable[[str, float, float], Awaitable[None]],
    clock: Callable[[], float],
) -> None:
    """Call `send(verb, due, late)` for each at its moment by `clock`; return when all of them have ended."""
    async with asyncio.TaskGroup() as under_way:
        for moment, verb in due:
            if (left := moment - clock()) > 0:
                await asyncio.sleep(left)
            under_way.create_task(_awaited(send(verb, moment, max(clock() - moment, 0.0))))


async def _awaited(work: Awaitable[None]) -> None:
    await work


class Sender:
    """Sends requests, and tells what became of each."""

    def __init__(
        self,
        load: Load,
        client: httpx.AsyncClient,
        tell: Callable[[Answered], None],
        clock: Callable[[], float],
    ) -> None:
        self._load = load
        self._client = client
        self._tell = tell
        self._clock = clock
        self._chance = random.Random(load.seed)  # noqa: S311 # a seeded load, no secret
        self._segments = [each if isinstance(each, str) else each.segment for each in load.campaign.segments]
        self._next_page: str | None = None
        self._campaigns = list[str]()
        self._sends: Mapping[str, Callable[[], Awaitable[httpx.Response]]] = {
            "ingest": self._ingest,
            "recommend": self._recommend,
            "count": self._count,
            "members": self._members,
            "preview": self._preview,
            "draft": self._draft,
            "campaign": self._campaign,
            "progress": self._progress,
        }

    async def send(self, verb: str, due: float, late: float) -> None:
        """Send one request of a verb that was due at a moment."""
        status, problem = 0, ""
        try:
            answer = await self._sends[verb]()
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__} {error}".strip()
        else:
            status = answer.status_code
            problem = "" if answer.is_success else answer.text
            if verb == "ingest" and answer.is_success and answer.json()["stored"] != EVENTS:
                problem = f"not all events were stored: {answer.text}"
        self._tell(Answered(verb, due, late, self._clock() - due, status, problem[:SHOWN_CHARACTERS]))

    async def _ingest(self) -> httpx.Response:
        return await self._client.post("/v1/events", json=[self._event() for _ in range(EVENTS)])

    def _event(self) -> dict[str, Any]:
        chance = self._chance
        passed = self._clock() + self._load.warm_seconds + 1
        return {
            "id": f"{chance.getrandbits(128):032x}",
            "profile_id": chance.choice(self._load.profiles),
            "type": chance.choice(_TYPES),
            "occurred_at": (self._load.latest + timedelta(seconds=passed)).isoformat(),
            "item_id": chance.choice(self._load.items),
            "value": round(chance.uniform(1, 100), 2),
            "quantity": 1.0,
        }

    async def _recommend(self) -> httpx.Response:
        profile = self._chance.choice(self._load.profiles)
        return await self._client.get(f"/v1/profiles/{profile}/recommendations", params={"k": 10})

    async def _count(self) -> httpx.Response:
        return await self._client.get(f"/v1/segments/{self._chance.choice(self._segments)}/count")

    async def _members(self) -> httpx.Response:
        """Read the next page of a segment's members; after the last one, the first of another segment."""
        first = f"/v1/segments/{self._chance.choice(self._segments)}/members?limit={PAGE}"
        asked, self._next_page = self._next_page or first, None
        answer = await self._client.get(asked)
        if answer.is_success and (following := answer.json()["paging"]["next"]) is not None:
            self._next_page = following["link"]
        return answer

    async def _preview(self) -> httpx.Response:
        """Ask for an audience that nobody has asked for: words that are to be encoded, and a rule."""
        like = " and ".join(self._chance.sample(self._load.wants, 2))
        bought = {"event": "purchase", "op": "ge", "value": self._chance.randint(1, 3), "within_days": 90}
        body = {"definition": {"any": [{"like": like, "top": self._chance.randint(50, 500)}, bought]}}
        return await self._client.post("/v1/segments/preview", json=body)

    async def _draft(self) -> httpx.Response:
        campaign, chance = self._load.campaign, self._chance
        body = {
            "item_id": chance.choice(campaign.items),
            "segment": chance.choice(self._segments),
            "channel": chance.choice(campaign.channels),
            "offer": campaign.offer,
            "tone": campaign.tone,
            "n": 1,
            "seed": chance.getrandbits(31),
        }
        return await self._client.post("/v1/drafts", json=body)

    async def _campaign(self) -> httpx.Response:
        number = len(self._campaigns) + 1
        seed = self._chance.getrandbits(31)
        order = msgspec.structs.replace(self._load.campaign, name=f"soak {number}", seed=seed)
        answer = await self._client.post("/v1/campaigns", json=msgspec.to_builtins(order))
        if answer.is_success:
            self._campaigns.append(answer.json()["id"])
        return answer

    async def _progress(self) -> httpx.Response:
        newest = f"/{self._campaigns[-1]}" if self._campaigns else ""
        return await self._client.get(f"/v1/campaigns{newest}")


async def run(load: Load, tell: Callable[[Answered], None]) -> None:
    """Send the whole load, and tell of each request what became of it."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    headers = {"Authorization": f"Bearer {load.key}"}

    def clock() -> float:
        return time.monotonic() - load.begins

    opened = httpx.AsyncClient(base_url=load.url, headers=headers, timeout=TIMEOUT_SECONDS, limits=limits)
    async with opened as client:
        sender = Sender(load, client, tell, clock)
        await keep_time(moments(load.rates, -load.warm_seconds, load.seconds), sender.send, clock)


def main(path: Path) -> None:
    """Send the load that a file describes; a line of JSON on stdout for each answer."""
    # Ctrl-C is for whoever started this, who prints what was measured and then ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load = msgspec.json.decode(path.read_bytes(), type=Load)
    out = sys.stdout.buffer

    def tell(answered: Answered) -> None:
        out.write(msgspec.json.encode(answered) + b"\n")
        out.flush()

    asyncio.run(run(load, tell))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
