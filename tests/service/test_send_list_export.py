"""`pitchwright campaign export`: whom it writes to, what it counts, and that it says the same twice."""

import asyncio
import csv
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from prompts.brief import Audience, Brief, Product
from prompts.variant import Fields, Provenance, Variant
from service.audit.actions import list_entries
from service.campaigns.model import Unit, rows_of, unit_digest
from service.campaigns.results import Results
from service.cli import invoke
from service.contact.actions import reach_segment, set_consents, set_policy, suppress
from service.contact.model import ContactPolicy
from service.contact.shapes import ConsentFact, SuppressionEntry
from service.drafts.decision import Actor, Decision
from service.drafts.decision_store import DecisionStore
from service.drafts.model import Draft
from service.drafts.store import DraftStore
from service.profiles.actions import erase_profile, upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime, open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_workspace
from tests.indexing.plain_embedder import PlainEmbedder

TAG = '{{ first_name | default: "there" }}'
CAMPAIGN: dict[str, Any] = {
    "name": "spring",
    "segments": ["free"],
    "channels": ["email", "sms"],
    "items": ["trowel"],
    "n": 2,
}
TEXTS: dict[str, Fields] = {
    "email": {"subject": f"Dig, {TAG}", "preheader": "Now", "body": f"Hello {TAG}", "cta": "Dig"},
    "sms": {"text": "For {{ city }}: dig"},
}
SIZE = 12


@pytest.fixture(scope="module")
def made_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Twelve profiles with e-mail consent for ten, a suppression, and a campaign that is written."""
    folder = tmp_path_factory.mktemp("spring") / "shop"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.runtime._load_embedder", lambda _: PlainEmbedder())
        fill(folder)
        yield folder


@pytest.fixture
def shop(made_shop: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made_shop, tmp_path / "shop")


def fill(folder: Path) -> None:
    async def furnish(runtime: Runtime) -> None:
        await create_workspace(runtime, "default")
        people = [
            Profile(
                id=f"p{number:02}",
                traits={"plan": "free", "email": f"p{number}@mail.example", **more(number)},
            )
            for number in range(SIZE)
        ]
        await upsert_profiles(runtime, "default", people)
        yes = [ConsentFact(profile_id=each.id, channel="email", word="granted") for each in people[:10]]
        await set_consents(runtime, "default", yes)
        await suppress(
            runtime, "default", [SuppressionEntry(profile_id="p03", channel="*", reason="bounced")]
        )
        await set_policy(runtime, "default", ContactPolicy(opt_in=("email",)))
        await create_segment(runtime, "default", "free", {"trait": "plan", "value": "free"})
        await build_snapshot(runtime, "default")

    with_runtime(folder, furnish)
    (folder / "spring.yaml").write_text(json.dumps(CAMPAIGN))
    with Results(folder / "spring") as results:
        results.resume([])
        for channel in CAMPAIGN["channels"]:
            results.add(rows_of("spring", *written(channel)))


def more(number: int) -> dict[str, Any]:
    first = {"first_name": ("Ada", "=1+1", "Bo")[number % 3]} if number % 4 else {}
    return {**first, **({"city": "Hà Nội"} if number != 5 else {})}


def written(channel: str) -> tuple[Unit, list[Variant]]:
    brief = Brief(
        channel=channel, product=Product(id="trowel", title="Trowel"), audience=Audience(name="free"), n=2
    )
    unit = Unit(
        custom_id=f"free/trowel/{channel}",
        segment="free",
        item_id="trowel",
        brief=brief,
        audience=brief.audience,
        digest=unit_digest(brief, "p", "m"),
    )
    made_by = Provenance(prompt="p", prompt_digest="p", engine="e", model="m", seed=0, attempts=1)
    return unit, [
        Variant(id=f"{channel}-{place}", status="passed", fields=fields, checks=(), provenance=made_by)
        for place, fields in enumerate((TEXTS[channel], {**TEXTS[channel], "cta": "Look"}))
    ]


def with_runtime(folder: Path, work: Callable[[Runtime], Any]) -> Any:
    settings = Settings(data_dir=str(folder / "var"), executor_threads=1, embedder="offline")

    async def opened() -> Any:
        async with open_runtime(settings) as runtime:
            return await work(runtime)

    return asyncio.run(opened())


def exported(shop: Path, *options: str, form: str = "csv", out: str = "list", code: int = 0) -> Path:
    arguments = ["--data-dir", str(shop / "var"), "campaign", "export", str(shop / "spring.yaml")]
    where = ["--from", str(shop / "spring"), "--out", str(shop / out), "--format", form]
    assert invoke([*arguments, *where, *options]) == code
    return shop / out


def rows_in(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_list_holds_whom_reach_counts_and_nobody_else(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("service.campaigns.send_list_export.ROWS_AT_ONCE", 10)
    out = exported(shop, "--json")
    summary = json.loads(capsys.readouterr().out)
    assert json.loads((shop / "list.summary.json").read_text()) == summary
    for each in summary["reach"]:
        found = with_runtime(
            shop, lambda runtime, on=each["channel"]: reach_segment(runtime, "default", "free", on)
        )
        told = json.loads(msgspec.json.encode(found))
        assert {name: each[name] for name in ("audience", "allowed", "removed")} == {
            name: told[name] for name in ("audience", "allowed", "removed")
        }
    email, sms = summary["units"]
    assert (email["written"], email["defaulted"], sms["written"], sms["refused"]["lacks_trait"]) == (
        9,
        3,
        10,
        1,
    )
    assert (email["unaddressed"], sms["unaddressed"]) == (0, 10)
    assert [each["allowed"] for each in summary["reach"]] == [9, 11]
    rows = rows_in(out)
    assert (len(rows), summary["rows"], summary["refused"]) == (19, 19, 1)
    assert [row["profile_id"] for row in rows if row["channel"] == "email"] == [
        f"p{number:02}" for number in range(10) if number != 3
    ]
    assert rows[0]["subject"] == "Dig, there"
    assert (rows[0]["email"], rows[0]["phone"], rows[0]["tag_first_name"]) == ("p0@mail.example", "", "there")
    four = next(row for row in rows if row["profile_id"] == "p01")
    assert (four["tag_first_name"], four["subject"], four["body"]) == ("'=1+1", "Dig, =1+1", "Hello =1+1")
    [refused] = (shop / "list.refused.jsonl").read_text().splitlines()
    assert json.loads(refused)["profile_id"] == "p05"
    entries = with_runtime(shop, lambda runtime: list_entries(runtime, "default"))
    assert entries[-1].action == "campaign export"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_an_export_repeated_says_the_same_whatever_the_batches(
    form: str, shop: Path, monkeypatch: pytest.MonkeyPatch
):
    exported(shop, "--pick", "spread", form=form)
    names = ["list", "list.refused.jsonl", "list.summary.json"]
    before = [(shop / name).read_bytes() for name in names]
    for name in names:
        (shop / f"{name}.part").write_text("left by a killed export")
    if form != "parquet":  # its row groups are the batches
        monkeypatch.setattr("service.campaigns.send_list_export.ROWS_AT_ONCE", 5)
    exported(shop, "--pick", "spread", form=form)
    assert [(shop / name).read_bytes() for name in names] == before
    assert b"email-0" in before[0]
    assert b"email-1" in before[0]


def test_what_was_withdrawn_since_the_snapshot_counts_and_the_erased_are_nowhere(shop: Path):
    async def withdrawn(runtime: Runtime) -> None:
        no = ConsentFact(profile_id="p01", channel="email", word="denied")
        await set_consents(runtime, "default", [no])
        await erase_profile(runtime, "default", "p02")
        await upsert_profiles(runtime, "default", [Profile(id="p04", traits={"email": "new@mail.example"})])

    with_runtime(shop, withdrawn)
    rows = rows_in(exported(shop, "--channel", "email"))
    assert [row["profile_id"] for row in rows] == ["p00", "p04", "p05", "p06", "p07", "p08", "p09"]
    assert rows[1]["email"] == "new@mail.example"
    assert all(b"p02" not in path.read_bytes() for path in shop.glob("list*"))


def test_somebody_erased_while_the_list_is_written_is_counted_and_not_named(
    shop: Path, monkeypatch: pytest.MonkeyPatch
):
    from service.campaigns.send_list_members import MemberReader

    stored = MemberReader.stored

    async def late(self: MemberReader, session: Any, workspace: str, ids: Any) -> Any:
        return [row for row in await stored(self, session, workspace, ids) if row[0] != "p06"]

    monkeypatch.setattr(MemberReader, "stored", late)
    exported(shop)
    units = json.loads((shop / "list.summary.json").read_text())["units"]
    assert [(unit["written"], unit["gone"]) for unit in units] == [(8, 1), (9, 1)]
    assert all(b"p06" not in path.read_bytes() for path in shop.glob("list*"))


def test_only_what_a_person_accepted_is_sent(shop: Path, capsys: pytest.CaptureFixture[str]):
    exported(shop, "--pick", "accepted", code=1)
    assert "2 of 2 units have nothing to send" in capsys.readouterr().err
    assert (shop / "list").read_text().count("\n") == 1

    async def decide(runtime: Runtime) -> None:
        unit, variants = written("email")
        now, by = runtime.now(), Actor(key_id="k", name="studio")
        draft = Draft(id="d1", created_at=now, brief=unit.brief, variants=tuple(variants))
        edit = Decision(
            number=1, verdict="edited", by=by, at=now, fields={**TEXTS["email"], "cta": "Edited"}, checks=()
        )
        async with runtime.database.write() as session:
            await DraftStore(session, "default").add(draft)
            store = DecisionStore(session, "default")
            await store.add("d1", "email-1", edit)
            await store.add("d1", "email-1", Decision(number=2, verdict="accepted", by=by, at=now))
            await store.add(
                "d1", "email-0", Decision(number=1, verdict="rejected", by=by, at=now, reason="dull")
            )

    with_runtime(shop, decide)
    rows = rows_in(exported(shop, "--pick", "accepted", code=1))
    assert {(row["variant_id"], row["cta"]) for row in rows} == {("email-1", "Edited")}
    exported(shop, "--pick", "accepted", "--channel", "email")


def test_a_campaign_that_is_not_written_as_it_stands_is_not_sent(
    shop: Path, capsys: pytest.CaptureFixture[str]
):
    for change, reason in (
        ({"offer": "20% off"}, "before this one was changed"),
        ({"name": "autumn"}, "another campaign"),
        ({"channels": ["email", "push"]}, "unit free/trowel/push is not written"),
        ({"items": ["trowel", "can"]}, "unit free/can/email is not written"),
    ):
        (shop / "spring.yaml").write_text(json.dumps({**CAMPAIGN, **change}))
        exported(shop, code=2)
        assert reason in capsys.readouterr().err
    (shop / "spring.yaml").write_text(json.dumps({**CAMPAIGN, "items": []}))
    exported(shop)
    exported(shop, "--channel", "push", code=2)
    exported(shop, "--segment", "fans", code=2)
    assert "the campaign has no segment 'fans': it has free" in capsys.readouterr().err
    (shop / "spring" / "variants.jsonl").unlink()
    exported(shop, code=2)
    assert "holds no variants.jsonl" in capsys.readouterr().err


def test_several_tones_are_one_unit_and_one_language_is_chosen(
    shop: Path, capsys: pytest.CaptureFixture[str]
):
    campaign = {
        **CAMPAIGN,
        "channels": ["email"],
        "tones": ["playful", "friendly"],
        "languages": ["en", "de"],
    }
    (shop / "spring.yaml").write_text(json.dumps(campaign))
    with Results(shop / "spring") as results:
        results.resume([])
        for tone, language in itertools.product(("playful", "friendly"), ("en", "de")):
            unit, variants = written("email")
            brief = msgspec.structs.replace(unit.brief, tone=tone, language=language)
            unit = msgspec.structs.replace(unit, brief=brief, digest=unit_digest(brief, "p", "m"))
            variants = [
                msgspec.structs.replace(
                    each, id=f"{tone}-{language}-{place}", fields={**each.fields, "cta": tone}
                )
                for place, each in enumerate(variants)
            ]
            results.add(rows_of("spring", unit, variants))
    exported(shop, code=2)
    assert "the campaign is in en, de: name the `language`" in capsys.readouterr().err
    exported(shop, "--language", "fr", code=2)
    assert "no language 'fr': it has en, de" in capsys.readouterr().err
    assert {row["variant_id"] for row in rows_in(exported(shop, "--language", "de"))} == {"playful-de-0"}
    spread = {row["variant_id"] for row in rows_in(exported(shop, "--language", "en", "--pick", "spread"))}
    assert {each.split("-")[0] for each in spread} == {"playful", "friendly"}
    assert all("-en-" in each for each in spread)
    (shop / "spring.yaml").write_text(json.dumps({**campaign, "tones": ["playful", "luxury"]}))
    exported(shop, "--language", "en", code=2)
    assert "unit free/trowel/email/luxury/en is not written" in capsys.readouterr().err
