"""Words about channels and suppressions from a CRM's files: kept, refused by line, once however often."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from service.contact.actions import list_consents, list_suppressions, set_consents
from service.contact.shapes import ConsentFact
from service.importing.actions import import_folder
from service.importing.errors import MappingError
from service.importing.mapping import parse_mapping
from service.importing.model import ImportSummary, KindCounts
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import create_workspace

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAPPING = """
timezone: Europe/Berlin
consents:
  file: consents.csv
  profile: id
  email: mail
  phone: mobile
  channel: medium
  state: {column: word, apply: [{map: {subscribed: granted, unsubscribed: denied}}]}
  time: when
  source: form
"""
HEADER = "id,mail,mobile,medium,word,when,form"
GOOD = [
    "p-1,,,email,subscribed,2026-05-01 09:00,checkout",
    "p-1,,,email,Denied,2026-06-01 09:00,footer",
    "p-1,,,email,granted,2026-05-20 09:00,shop",
    ",Two@Mail.example,,sms,granted,2026-05-01T09:00:00Z,form",
    ",,0044 1632 960001,push,denied,2026-05-01,form",
    "ghost,,,*,suppressed,,complaint",
    ",gone@mail.example,,email,Suppressed,,bounced",
]
BAD = [
    ("nobody,,,email,granted,2026-05-01,form", "no profile 'nobody' in workspace 'shop'"),
    (",unknown@mail.example,,email,denied,2026-05-01,form", "no profile has this address"),
    ("p-1,,,email,perhaps,2026-05-01,form", "state 'perhaps' is none of granted, denied and suppressed"),
    ("p-1,,,pigeon,granted,2026-05-01,form", "channel 'pigeon' is unknown"),
    ("p-1,,,*,granted,2026-05-01,form", "channel '*' is unknown"),
    ("p-1,,,email,granted,,form", "time is empty: a word needs it"),
    ("p-1,,,email,granted,soon,form", "time 'soon' is not a time"),
    ("p-1,,,email,granted,2027-05-01,form", "is after now"),
    (",,,email,granted,2026-05-01,form", "it names nobody"),
    (",no address,,email,suppressed,,form", "email 'no address' is no address"),
    ("p-1,,,,granted,2026-05-01,form", "channel is empty"),
    ("p-1,,,email", "4 cells where the header has 7"),
]
PEOPLE = [
    Profile(id="p-1", traits={"phone": "+44 1632 960001"}),
    Profile(id="p-2", traits={"email": "two@mail.example"}),
    Profile(id="p-3", traits={"email": " TWO@mail.example"}),
]


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    sealed = Settings(
        data_dir=str(tmp_path / "var"),
        encrypted_traits=("phone",),
        trait_keys=(Fernet.generate_key().decode(),),
    )
    async with open_runtime(sealed, clock=lambda: NOW) as opened:
        await create_workspace(opened, "shop")
        await upsert_profiles(opened, "shop", PEOPLE)
        yield opened


def put(folder: Path, rows: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "consents.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (folder / "map.yaml").write_text(MAPPING)
    return folder


async def brought(runtime: Runtime, folder: Path, rows: list[str]) -> ImportSummary:
    return await import_folder(runtime, "shop", put(folder, rows), folder / "map.yaml")


def set_aside(summary: ImportSummary) -> list[dict[str, Any]]:
    assert summary.rejects is not None
    rejects = [json.loads(line) for line in Path(summary.rejects).read_text().splitlines()]
    return sorted(rejects, key=lambda each: each["line"])


async def words(runtime: Runtime, profile_id: str) -> dict[str, tuple[bool, str]]:
    found = await list_consents(runtime, "shop", profile_id)
    return {each.channel: (each.granted, each.source) for each in found}


async def test_a_file_is_taken_in_once_and_the_latest_word_counts(runtime: Runtime, tmp_path: Path):
    first = await brought(runtime, tmp_path / "crm", GOOD)
    assert first.consents == KindCounts(read=7, stored=5, duplicate=2)
    assert await words(runtime, "p-1") == {"email": (False, "footer"), "push": (False, "form")}
    assert await words(runtime, "p-2") == await words(runtime, "p-3") == {"sms": (True, "form")}
    (said,) = [
        each.changed_at for each in await list_consents(runtime, "shop", "p-1") if each.channel == "email"
    ]
    assert said == datetime(2026, 6, 1, 7, tzinfo=UTC)  # nine o'clock in Berlin
    listed = (await list_suppressions(runtime, "shop")).rows
    assert [(each.profile_id, each.channel, each.reason) for each in listed] == [
        (None, "email", "bounced"),
        ("ghost", "*", "complaint"),
    ]
    later = ConsentFact(profile_id="p-2", channel="sms", word="denied", source="call", at=NOW)
    await set_consents(runtime, "shop", [later])
    again = await brought(runtime, tmp_path / "crm", GOOD)
    assert (again.consents.stored, again.consents.duplicate) == (0, 7)
    assert await words(runtime, "p-2") == {"sms": (False, "call")}


async def test_bad_lines_are_set_aside_with_line_and_reason_and_stop_none(runtime: Runtime, tmp_path: Path):
    rows = [GOOD[0], *(row for row, _ in BAD), GOOD[5]]
    summary = await brought(runtime, tmp_path / "crm", rows)
    assert summary.consents == KindCounts(read=len(rows), stored=2, rejected=len(BAD))
    rejects = set_aside(summary)
    assert [each["line"] for each in rejects] == list(range(3, 3 + len(BAD)))
    for reject, (row, reason) in zip(rejects, BAD, strict=True):
        assert reason in reject["reason"], row
    assert {each["kind"] for each in rejects} == {"consents"}
    assert await words(runtime, "p-1") == {"email": (True, "checkout")}


async def test_an_address_stands_in_no_reject(runtime: Runtime, tmp_path: Path):
    """An erasure looks for ids: it could not find who is named by an address alone."""
    rows = [",,0044 1632 960999,sms,granted,2026-05-01,f", ",quibble@mail.example,,sms,granted,2026-05-01,g"]
    first, second = set_aside(await brought(runtime, tmp_path / "crm", rows))
    assert (first["line"], first["raw"]["mobile"], first["raw"]["form"]) == (2, "withheld", "f")
    assert (second["line"], second["raw"]["mail"], second["raw"]["form"]) == (3, "withheld", "g")
    assert "960999" not in str(first)
    assert "quibble" not in str(second)


def test_a_section_that_names_nobody_is_refused():
    section = {"file": "c.csv", "channel": "c", "state": "s"}
    with pytest.raises(MappingError, match="name at least one of profile, email, phone"):
        parse_mapping({"consents": section})
    assert len(parse_mapping({"consents": [{**section, "email": "e"}] * 2}).sections()) == 2
