"""New copy beside what went out: by a send list or by somebody's word, told in an answer and in a stream."""

from typing import Any

import httpx
import pytest

from prompts.variant import Variant
from service.campaigns.job import Lease, Written
from tests.service.http.shop import Shop
from tests.service.http.test_http_send_lists import MADE_BY, exported, ordered, write
from tests.service.http.test_http_streaming import EVENTS, events_of

ASKED = {"item_id": "garden-0", "channel": "push", "n": 2, "seed": 5}


async def drafted(client: httpx.AsyncClient, **changes: Any) -> list[dict[str, Any]]:
    answer = await client.post("/v1/drafts", json=ASKED | changes)
    return answer.raise_for_status().json()["variants"]


def sent_check(variant: dict[str, Any]) -> dict[str, Any] | None:
    return next((each for each in variant["checks"] if each["rule"] == "duplicates.sent"), None)


async def test_a_streamed_variant_says_whether_it_was_accepted_before(client: httpx.AsyncClient):
    draft = (await client.post("/v1/drafts", json=ASKED)).raise_for_status().json()
    first = draft["variants"][0]
    path = f"/v1/drafts/{draft['id']}/variants/{first['id']}/decisions"
    (await client.post(path, json={"verdict": "accepted"})).raise_for_status()
    told = events_of((await client.post("/v1/drafts", json=ASKED, headers=EVENTS)).text)
    done = {variant["id"]: variant["checks"] for variant in told[-1][1]["variants"]}
    streamed = [data["result"] for name, data in told if name == "variant"]
    assert {variant["id"]: variant["checks"] for variant in streamed} == done
    again = next(variant for variant in streamed if variant["fields"] == first["fields"])
    (finding,) = (sent_check(again) or {})["findings"]
    assert f"{draft['id']}/{first['id']}, which was accepted" in finding["reason"]


@pytest.mark.parametrize("personal", [False, True])
async def test_copy_that_went_into_a_send_list_counts_as_sent(
    client: httpx.AsyncClient, shop: Shop, personal: bool
):
    fields = (await drafted(client))[0]["fields"]

    def copy(lease: Lease) -> Written:
        variant = Variant(id="v", status="passed", fields=fields, checks=(), provenance=MADE_BY)
        return Written(digest=f"d{lease.ordinal}", variants=(variant,))

    one = {"items": ["garden-0"], "tones": ["friendly"], "channels": ["push"]}
    campaign = await ordered(shop, client, **one, per="person" if personal else "audience")
    await write(shop, campaign, 50, copy)
    assert [sent_check(variant) for variant in await drafted(client)] == [None, None]  # written is not sent
    export = await exported(client, campaign)
    assert (export["status"], export["count"]) == ("ready", 19)
    checks = [sent_check(variant) for variant in await drafted(client)]
    if personal:  # what was written for one person is nobody else's to know
        assert checks == [None, None]
        return
    (finding,) = (checks[0] or {})["findings"]
    assert "v, which went into a send list of campaign 'spring' on" in finding["reason"]
    assert [sent_check(variant) for variant in await drafted(client, channel="sms")] == [None, None]
    theirs = {"Authorization": f"Bearer {shop.keys['other/admin']}"}
    other = await client.post("/v1/drafts", json=ASKED | {"item_id": "theirs-1"}, headers=theirs)
    assert [sent_check(variant) for variant in other.raise_for_status().json()["variants"]] == [None, None]
