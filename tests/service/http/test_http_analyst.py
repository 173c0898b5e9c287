"""Keys of scope `analyst`: every operation of the OpenAPI document is tried; no answer tells who anybody is.

Made from the document: a route that is opened to analysts later is tried by itself.
"""

import asyncio
import base64
import gzip
import io
import json
import re
from collections.abc import AsyncGenerator, Iterator
from itertools import product
from typing import Any

import httpx
import msgspec
import polars as pl
import pytest

from service.contact.actions import suppress
from service.contact.shapes import SuppressionEntry
from service.errors import InvalidInput
from service.masking import masks_of
from service.privacy.masks import PREFIX, WITHHELD, Masks
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_key
from tests.contracts.stores import Store
from tests.service.http.shop import Shop, client_of, copy_of
from tests.service.http.test_http_access import ROUTES
from tests.service.http.test_http_isolation import OPERATIONS, body_of

MASKED = re.compile(rf"{PREFIX}[0-9a-f]{{32}}")
KNOWN = re.compile(r"(?<![\w-])p-\d+(?![\w-])|@mail\.example|Quibble\w*|\+44 1632")
"""Every id, address, name and number that anybody in the shop has."""
TELLING = {
    "/v1/items/{item_id}/profiles",
    "/v1/profiles/{profile_id}",
    "/v1/profiles/{profile_id}/segments",
    "/v1/segments",
    "/v1/segments/{segment_id}",
    "/v1/segments/{segment_id}/changes",
    "/v1/segments/{segment_id}/description",
    "/v1/segments/{segment_id}/match/{profile_id}",
    "/v1/segments/{segment_id}/members",
}
"""What tells others something of that; for the rest the test above would find nothing anyway."""
SEEDED = {"any": [{"similar_to": {"profiles": ["p-1", "p-5"]}, "top": 5}, {"segment": "mailed"}]}
MAILED = {
    "all": [
        {"trait": "email", "op": "contains", "value": "@mail.example"},
        {"not": {"trait": "email", "op": "in", "value": ["7@mail.example", "8@mail.example"]}},
    ]
}


def people() -> list[Profile]:
    """Everybody has an address, a number, the id as a trait, and a name that a description would speak of."""
    return [
        Profile(
            id=f"p-{number}",
            traits={
                "email": f"{number}@mail.example",
                "first_name": "Quibbleworth" if number % 2 == 0 else "Quibble",
                "phone": f"+44 1632 {number:06}",
                "crm": f"p-{number}",
                "plan": "free" if number % 2 else "gold",
            },
        )
        for number in range(41)
    ]


@pytest.fixture(scope="module")
def told_shop(store: Store, made_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop with people worth hiding, segments that name them, and an analyst's key."""
    with copy_of(made_shop, store, tmp_path_factory.mktemp("analyst") / "var") as shop:
        key = asyncio.run(furnish(shop))
        yield msgspec.structs.replace(shop, keys={**shop.keys, "default/analyst": key})


async def furnish(shop: Shop) -> str:
    async with open_runtime(shop.settings()) as runtime:
        await upsert_profiles(runtime, "default", people())
        await create_segment(runtime, "default", "mailed", MAILED)
        await create_segment(runtime, "default", "seeded", SEEDED)
        await create_segment(runtime, "default", "half", {"trait": "first_name", "value": "Quibbleworth"})
        await build_snapshot(runtime, "default")
        await suppress(runtime, "default", [SuppressionEntry(email="9@mail.example", channel="banner")])
        await upsert_profiles(runtime, "default", [Profile(id="p-777")])
        return (await create_key(runtime, "default", "analyst", ["analyst"])).text


@pytest.fixture
async def client(told_shop: Shop) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(told_shop.settings(), told_shop.keys["default/analyst"]) as opened:
        yield opened


def content_of(answer: httpx.Response) -> str:
    return gzip.decompress(answer.content).decode() if answer.url.path.endswith("/file") else answer.text


async def exported(client: httpx.AsyncClient, segment: str, form: str, **more: str) -> tuple[str, bytes]:
    asked = {"format": form, **more}
    begun = (await client.post(f"/v1/segments/{segment}/exports", json=asked)).raise_for_status().json()
    for _ in range(500):
        if (await client.get(f"/v1/exports/{begun['id']}")).json()["status"] == "ready":
            break
        await asyncio.sleep(0.02)
    return begun["id"], (await client.get(f"/v1/exports/{begun['id']}/file")).raise_for_status().content


async def masked_members(client: httpx.AsyncClient, segment: str) -> list[str]:
    page = (await client.get(f"/v1/segments/{segment}/members?limit=500")).raise_for_status().json()
    return [each["profile_id"] for each in page["results"]]


async def test_no_operation_tells_an_analyst_who_anybody_is(told_shop: Shop, client: httpx.AsyncClient):
    everything = {"Authorization": f"Bearer {told_shop.keys['default/admin']}"}
    opened = {(method, path) for method, path, opt in ROUTES if "analyst" in str(opt["scope"])}
    assert {path for method, path in opened if method != "GET"} == {"/v1/segments/{segment_id}/exports"}
    export, _ = await exported(client, "mailed", "ndjson")
    since = (await client.get("/v1/snapshots")).json()["results"][-1]["version"]
    names = {"item_id": "garden-0", "export_id": export, "since": since, "name": "push.pocket"}
    names["channel"] = "banner"
    names |= dict.fromkeys(
        ("draft_id", "variant_id", "erasure_id", "webhook_id", "delivery_id", "campaign_id"), "x"
    )
    names["profile_id"] = await pseudonym(told_shop, "p-8")
    tried, telling = set[tuple[str, str]](), set[str]()
    for segment, each in product(("mailed", "seeded", "half"), OPERATIONS):
        named = {**names, "segment_id": segment}
        assert each.parameters <= named.keys(), f"{each.path}: say above what to put into its path"
        query = {name: named[name] for name in each.needed}
        if segment == "seeded" and "match" in each.path:
            query["at"] = "live"
        path = each.path.format(**named)
        answer = await client.request(each.method, path, params=query, **body_of(each, named))
        if answer.status_code == 403:
            continue
        told = f"{each.method} {path}: {answer.status_code} {answer.text[:2000]}"
        assert answer.is_success, told
        assert not KNOWN.search(content_of(answer)), told
        tried.add((each.method, each.path))
        if each.method == "GET":
            own = each.path.format(**{**named, "profile_id": "p-8"})
            plain = (await client.get(own, params=query, headers=everything)).raise_for_status()
            telling |= {each.path} if KNOWN.search(content_of(plain)) else set()
    assert tried == opened
    assert telling == TELLING


async def test_one_person_has_one_pseudonym_everywhere_and_can_be_asked_about_by_it(
    client: httpx.AsyncClient,
):
    listed = await masked_members(client, "mailed")
    paged: list[str] = []
    link = "/v1/segments/mailed/members?limit=7"
    while link:
        page = (await client.get(link)).raise_for_status().json()
        paged += [each["profile_id"] for each in page["results"]]
        following = page["paging"]["next"]
        link = following["link"] if following else ""
        if following:
            cursor = base64.urlsafe_b64decode(following["after"] + "==").decode()
            assert not KNOWN.search(cursor)
    assert paged == listed == sorted(set(listed))
    assert len(listed) == 39
    assert all(MASKED.fullmatch(each) for each in listed)
    for form in ("ndjson", "csv", "parquet"):
        _, content = await exported(client, "mailed", form)
        content = content if form == "parquet" else gzip.decompress(content)
        match form:
            case "ndjson":
                rows = [json.loads(line) for line in content.splitlines()]
            case "csv":
                rows = pl.read_csv(io.BytesIO(content)).to_dicts()
            case _:
                rows = pl.read_parquet(io.BytesIO(content)).to_dicts()
        assert [row["profile_id"] for row in rows] == listed
    profile = (await client.get(f"/v1/profiles/{listed[0]}")).raise_for_status().json()
    assert profile["id"] == profile["traits"]["crm"] == listed[0]
    assert profile["traits"]["plan"] in {"free", "gold"}
    assert MASKED.fullmatch(profile["traits"]["email"])
    match = (await client.get(f"/v1/segments/mailed/match/{listed[0]}")).raise_for_status().json()
    assert match["profile_id"] == listed[0]
    assert match["matched"] is True
    assert {each["words"] for each in match["reasons"]} == {f"email is {WITHHELD}"}
    liked = (await client.get("/v1/items/garden-0/profiles?k=5")).raise_for_status().json()
    assert {each["profile_id"] for each in liked["results"]} <= {
        *listed,
        *await masked_members(client, "half"),
    }


async def test_an_export_for_a_channel_is_resolved_and_masked(told_shop: Shop, client: httpx.AsyncClient):
    suppressed = await pseudonym(told_shop, "p-9")
    listed = await masked_members(client, "mailed")
    export, content = await exported(client, "mailed", "ndjson", channel="banner")
    rows = [json.loads(line)["profile_id"] for line in gzip.decompress(content).splitlines()]
    assert suppressed in listed
    assert rows == [each for each in listed if each != suppressed]
    told = (await client.get(f"/v1/exports/{export}")).json()
    reach = (await client.get("/v1/segments/mailed/reach?channel=banner")).raise_for_status().json()
    assert told["removed"] == reach["removed"]
    assert (told["masked"], told["count"], reach["allowed"], reach["audience"]) == (True, 38, 38, 39)


async def test_an_etag_is_of_the_answer_as_the_analyst_sees_it(told_shop: Shop, client: httpx.AsyncClient):
    everything = {"Authorization": f"Bearer {told_shop.keys['default/admin']}"}
    masked, plain = await pseudonym(told_shop, "p-8"), "p-8"
    for path in ("/v1/profiles/{}", "/v1/segments/mailed/members?limit=3", "/v1/segments"):
        own, others = path.format(masked), path.format(plain)
        theirs = (await client.get(others, headers=everything)).raise_for_status().headers["etag"]
        seen = (await client.get(own)).raise_for_status()
        tag = seen.headers["etag"]
        assert tag != theirs, path
        spared = await client.get(own, headers={"If-None-Match": tag})
        assert (spared.status_code, spared.content, spared.headers["etag"]) == (304, b"", tag)
        sent = await client.get(own, headers={"If-None-Match": theirs})
        assert (sent.status_code, sent.content) == (200, seen.content)


async def test_an_analyst_cannot_ask_whose_id_is_whose(client: httpx.AsyncClient):
    """An id that exists is answered as one that does not."""
    for given in ("p-3", "p-9999", PREFIX + "0" * 32, PREFIX):
        for path in (f"/v1/profiles/{given}", f"/v1/segments/mailed/match/{given}"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert answer.json()["detail"].startswith(
                f"no profile {given!r} in workspace 'default': this key"
            )


async def test_an_error_names_the_pseudonym_that_was_asked_for(told_shop: Shop, client: httpx.AsyncClient):
    newer = await pseudonym(told_shop, "p-777")
    answer = await client.get(f"/v1/segments/mailed/match/{newer}")
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith(f"profile {newer!r} is newer than snapshot")
    assert not KNOWN.search(answer.text)


async def pseudonym(shop: Shop, profile_id: str) -> str:
    async with open_runtime(shop.settings()) as runtime:
        return (await masks_of(runtime, "default")).profile(profile_id)


async def test_what_is_made_of_ids_is_not_an_analysts(told_shop: Shop, client: httpx.AsyncClient):
    analyst = client.headers["Authorization"]
    client.headers["Authorization"] = f"Bearer {told_shop.keys['default/crm']}"
    export, content = await exported(client, "mailed", "ndjson")
    assert KNOWN.search(gzip.decompress(content).decode())
    page = (await client.get("/v1/segments/mailed/members?limit=3")).json()
    after = page["paging"]["next"]["link"]
    client.headers["Authorization"] = analyst
    assert (await client.get(f"/v1/exports/{export}/file")).status_code == 404
    assert (await client.get(after)).status_code == 400


def test_pseudonyms_differ_between_workspaces_and_tell_nothing_of_order():
    one, two = Masks(b"1" * 32, ()), Masks(b"2" * 32, ())
    ids = [f"c-{number:04}" for number in range(500)]
    assert not {one.profile(each) for each in ids} & {two.profile(each) for each in ids}
    order = one.order(ids).tolist()
    assert sorted(order) == list(range(500))
    assert [one.profile(ids[place]) for place in order] == sorted(one.profile(each) for each in ids)
    steps = sum(order[place] < order[place + 1] for place in range(499))
    assert 200 < steps < 300


async def test_a_key_is_an_analysts_or_it_is_not(tmp_path_factory: pytest.TempPathFactory):
    settings = Settings(data_dir=str(tmp_path_factory.mktemp("keys")), executor_threads=1)
    async with open_runtime(settings) as runtime:
        with pytest.raises(InvalidInput, match="stands alone"):
            await create_key(runtime, "default", "both", ["analyst", "crm"])


@pytest.mark.parametrize(
    ("name", "identifies"),
    [
        ("email", True),
        ("firstName", True),
        ("First name", True),
        ("address.city", True),
        ("plan", False),
        ("emails", False),
    ],
)
def test_traits_identify_by_name_however_it_is_written(name: str, identifies: bool):
    assert Masks(b"1" * 32, ("email", "first_name", "address")).identifies(name) is identifies


def test_a_rule_that_only_asks_whether_somebody_has_a_trait_is_shown():
    masked: Any = Masks(b"1" * 32, ("email",)).answer({"trait": "email", "op": "exists", "value": True})
    assert masked["value"] is True
