"""What people clicked comes back as a score of the next draft."""

import re
from typing import Any

import httpx
import pytest

from service.outcomes import actions

BRIEF: dict[str, Any] = {"item_id": "garden-0", "segment": "gardeners", "channel": "push", "n": 2, "seed": 7}


def history_of(draft: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The score by the copy's own text."""
    return {
        str(variant["fields"]): score
        for variant in draft["variants"]
        for score in variant["scores"]
        if score["name"] == "clicks"
    }


async def test_copy_that_was_clicked_before_is_known_to_have_been(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(actions, "SETTLE", actions.SETTLE * 0)
    first = (await client.post("/v1/drafts", json=BRIEF)).raise_for_status().json()
    assert history_of(first) == {}
    loved, other = first["variants"]
    rows = [
        {
            "id": f"{kind}-{variant['id']}-{n}",
            "profile_id": f"reader-{n}",
            "type": kind,
            "occurred_at": "2026-11-01T10:00:00Z",
            "variant_id": f"{first['id']}/{variant['id']}",
        }
        for variant, clicks in ((loved, 50), (other, 10))
        for kind, people in (("impression", 200), ("click", clicks))
        for n in range(people)
    ]
    counts = (await client.post("/v1/events", json=rows)).raise_for_status().json()
    assert counts["stored"] == len(rows)
    again = (await client.post("/v1/drafts", json=BRIEF)).raise_for_status().json()
    scores = history_of(again)
    assert scores[str(loved["fields"])]["value"] > 0.9
    assert scores[str(other["fields"])]["value"] < 0.1
    reason = scores[str(loved["fields"])]["reason"]
    said = r"of 200 people shown this text, 50 clicked; weights: history (\d+)%, headline (\d+)%"
    found = re.fullmatch(said, reason)
    assert found
    history, headline = map(int, found.groups())
    assert history > 80 > 10 > headline
