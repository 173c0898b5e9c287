"""Encrypted traits: sealed wherever the store keeps them, opened for who reads; on both databases."""

import asyncio
import io
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Text, cast, select, text

from indexing.errors import DefinitionError
from service.contact.actions import resolve_recipients, suppress
from service.contact.shapes import SuppressionEntry
from service.errors import TraitsLocked
from service.privacy.access import access_archive
from service.profiles.actions import erase_profile, get_profile, list_profiles, upsert_profiles
from service.profiles.model import Profile
from service.profiles.sealing import CHUNK_ROWS, rotate_traits
from service.profiles.tables import ProfileRow
from service.runtime import Runtime, open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.world import live_world, read_world
from service.tracking.actions import receive
from service.tracking.model import Message
from service.tracking.translation import Arrival
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import NOW

W = "shop"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
MAIL, PHONE = "quibbleworth@mail.example", "+44 1632 960001"
TRAITS = {"email": MAIL, "phone": PHONE, "city": "Leeds", "orders": 3}
SECRETS = [text.encode() for text in (MAIL, PHONE)]


def sealing(settings: Settings, *keys: str, names: tuple[str, ...] = ("email", "phone")) -> Settings:
    return msgspec.structs.replace(settings, trait_keys=keys, encrypted_traits=names)


async def stored(runtime: Runtime, profile_id: str) -> dict[str, Any]:
    async with runtime.database.read() as session:
        raw = await session.scalar(select(cast(ProfileRow.traits, Text)).where(ProfileRow.id == profile_id))
    return msgspec.json.decode(raw or "null")


async def whole_store(runtime: Runtime) -> bytes:
    """Every row of profiles as text, and of SQLite every byte of the database and its log."""
    async with runtime.database.read() as session:
        rows = (await session.execute(select(ProfileRow.id, cast(ProfileRow.traits, Text)))).tuples().all()
    files = await asyncio.to_thread(
        lambda: [file.read_bytes() for file in Path(runtime.settings.data_dir).rglob("*") if file.is_file()]
    )
    return repr(rows).encode() + b"".join(files)


async def keys_of(runtime: Runtime, profile_id: str) -> set[str]:
    return {value["key"] for value in (await stored(runtime, profile_id)).values() if isinstance(value, dict)}


async def test_an_encrypted_trait_is_nowhere_in_plain_and_read_as_it_was_said(settings: Settings):
    async with open_runtime(sealing(settings, NEW)) as runtime:
        await create_workspace(runtime, W)
        await upsert_profiles(runtime, W, [Profile(id="p-1", traits=TRAITS), Profile(id="a-1", traits={})])
        calls = [
            (0, "identify", {"anonymousId": "a-1", "traits": {"phone": PHONE}}),
            (1, "identify", {"userId": "p-2", "anonymousId": "a-1", "traits": {"email": MAIL}}),
        ]
        messages: list[Any] = [
            (place, call, msgspec.convert({"timestamp": NOW.isoformat(), **fields}, Message))
            for place, call, fields in calls
        ]
        await receive(runtime, W, "test", messages, Arrival(received_at=NOW))
        assert (await get_profile(runtime, W, "p-1")).traits == TRAITS
        assert (await get_profile(runtime, W, "a-1")).traits == {"email": MAIL, "phone": PHONE}
        assert [each.traits.get("email") for each in (await list_profiles(runtime, W)).rows] == [MAIL, MAIL]
        for secret in SECRETS:
            assert secret not in await whole_store(runtime)
        assert isinstance(await access_archive(runtime, W, "p-1"), bytes)
        again = await upsert_profiles(runtime, W, [Profile(id="p-1", traits=TRAITS)])
        assert (again.stored, again.duplicate) == (0, 1)


async def test_digests_of_encrypted_profiles_cannot_be_guessed_at(settings: Settings):
    """Without the key nobody can tell which traits a digest is of."""
    async with open_runtime(sealing(settings, NEW)) as runtime:
        await create_workspace(runtime, W)
        await upsert_profiles(runtime, W, [Profile(id="p-1", traits={"email": MAIL})])
        async with runtime.database.read() as session:
            keyed = await session.scalar(select(ProfileRow.digest))
    async with open_runtime(another_store(settings)) as runtime:
        await create_workspace(runtime, W)
        await upsert_profiles(runtime, W, [Profile(id="p-1", traits={"email": MAIL})])
        async with runtime.database.read() as session:
            assert await session.scalar(select(ProfileRow.digest)) != keyed


def another_store(settings: Settings) -> Settings:
    """Another store, without encryption."""
    folder = Path(settings.data_dir) / "other"
    return msgspec.structs.replace(settings, data_dir=str(folder), database_url=f"sqlite:///{folder}/x.db")


async def test_encrypted_traits_stand_in_no_snapshot_and_no_rule(settings: Settings):
    async with open_runtime(sealing(settings, NEW)) as runtime:
        await create_workspace(runtime, W)
        await upsert_profiles(runtime, W, [Profile(id="p-1", traits=TRAITS)])
        worlds = [await read_world(runtime, W)]
        worlds.append(await live_world(runtime, W, "p-1", worlds[0].items))
        for world in worlds:
            assert msgspec.json.decode(world.profiles["traits"][0]) == {"city": "Leeds", "orders": 3}
        rule = {
            "all": [
                {"trait": "city", "op": "eq", "value": "Leeds"},
                {"trait": "email", "op": "eq", "value": MAIL},
            ]
        }
        with pytest.raises(DefinitionError, match="'email' is encrypted") as caught:
            await create_segment(runtime, W, "mailed", rule)
        assert MAIL not in str(caught.value)


async def test_a_suppressed_address_removes_whoever_has_it_encrypted(settings: Settings):
    """Also who was erased and comes again, and who has it under a key that is on its way out."""
    everybody = ("p-1", "p-2", "p-3", "new")

    async def left(channel: str) -> list[str]:
        found = await resolve_recipients(runtime, W, channel, everybody)
        return [each for each, allowed in zip(everybody, found.allowed, strict=True) if allowed]

    async with open_runtime(sealing(settings, OLD)) as runtime:
        await create_workspace(runtime, W)
        await upsert_profiles(runtime, W, [Profile(id="p-1", traits=TRAITS)])
    async with open_runtime(sealing(settings, NEW, OLD)) as runtime:
        people = [Profile(id="p-2", traits={"email": "b@mail.example"}), Profile(id="p-3", traits={})]
        await upsert_profiles(runtime, W, people)
        entries = [
            SuppressionEntry(email=MAIL.upper(), channel="banner"),
            SuppressionEntry(phone="0044 1632 960001", channel="social"),
            SuppressionEntry(profile_id="p-2", channel="banner"),
        ]
        assert (await suppress(runtime, W, entries)).stored == 3
        assert await left("banner") == ["p-3", "new"]
        assert await left("social") == ["p-2", "p-3", "new"]
        with zipfile.ZipFile(io.BytesIO(await access_archive(runtime, W, "p-1"))) as archive:
            listed = msgspec.json.decode(archive.read("suppressed_addresses.json"))
        assert {each["channel"] for each in listed} == {"banner", "social"}
        await erase_profile(runtime, W, "p-2")
        await upsert_profiles(runtime, W, [Profile(id="new", traits={"email": "B@mail.example"})])
        assert await left("banner") == ["p-3"]
        await erase_profile(runtime, W, "p-1")
        await upsert_profiles(runtime, W, [Profile(id="p-3", traits=TRAITS)])
        assert await left("banner") == []
        assert await left("social") == ["new"]


async def test_rotation_seals_what_was_plain_and_retires_the_old_key(settings: Settings):
    async with open_runtime(settings) as runtime:
        await create_workspace(runtime, W)
        await create_workspace(runtime, "other")
        for workspace in (W, "other"):
            await upsert_profiles(runtime, workspace, [Profile(id="p-1", traits=TRAITS)])
        assert MAIL.encode() in await whole_store(runtime)
    async with open_runtime(sealing(settings, OLD)) as runtime:
        assert (await get_profile(runtime, W, "p-1")).traits == TRAITS
        done = await rotate_traits(runtime)
        assert (done.profiles, done.rewritten, done.retired, done.compacted) == (2, 2, (), True)
        for secret in SECRETS:
            assert secret not in await whole_store(runtime)
        old = await keys_of(runtime, "p-1")
    async with open_runtime(sealing(settings, NEW, OLD)) as runtime:
        assert (await get_profile(runtime, "other", "p-1")).traits == TRAITS
        done = await rotate_traits(runtime)
        assert (done.rewritten, set(done.retired)) == (2, old)
        assert await keys_of(runtime, "p-1") == {done.key} != old
        assert (await rotate_traits(runtime)).rewritten == 0
    async with open_runtime(sealing(settings, NEW)) as runtime:
        assert (await get_profile(runtime, W, "p-1")).traits == TRAITS
    async with open_runtime(sealing(settings, NEW, names=())) as runtime:
        assert (await rotate_traits(runtime)).key is None
        assert await stored(runtime, "p-1") == TRAITS
    async with open_runtime(settings) as runtime:
        assert (await get_profile(runtime, W, "p-1")).traits == TRAITS


async def test_a_rotation_that_was_killed_goes_on(settings: Settings):
    class Killed(Exception):
        """The process is gone."""

    people = [
        Profile(id=f"p-{number:05}", traits={"email": f"{number}@mail.example"})
        for number in range(2 * CHUNK_ROWS + 7)
    ]
    async with open_runtime(sealing(settings, OLD)) as runtime:
        await create_workspace(runtime, W)
        await upsert_profiles(runtime, W, people)

    def kill(stage: str, done: int, total: int) -> None:
        assert (stage, total) == ("profiles", len(people))
        if done >= CHUNK_ROWS:
            raise Killed

    async with open_runtime(sealing(settings, NEW, OLD)) as runtime:
        with pytest.raises(Killed):
            await rotate_traits(runtime, kill)
        assert await keys_of(runtime, people[0].id) != await keys_of(runtime, people[-1].id)
    with pytest.raises(TraitsLocked, match="PITCHWRIGHT_TRAIT_KEYS"):
        async with open_runtime(sealing(settings, NEW)):
            pass
    async with open_runtime(sealing(settings, NEW, OLD)) as runtime:
        for one in (people[0], people[-1]):
            assert (await get_profile(runtime, W, one.id)).traits == one.traits
        done = await rotate_traits(runtime)
        assert (done.profiles, done.rewritten, len(done.retired)) == (
            len(people),
            len(people) - CHUNK_ROWS,
            1,
        )
    async with open_runtime(sealing(settings, NEW)) as runtime:
        assert (await get_profile(runtime, W, people[-1].id)).traits == people[-1].traits


@pytest.mark.parametrize("keys", [(), (NEW,)], ids=["no key", "another key"])
async def test_without_its_key_nothing_opens_and_nothing_is_lost(settings: Settings, keys: tuple[str, ...]):
    async with open_runtime(sealing(settings, OLD)) as runtime:
        await create_workspace(runtime, W)
        await upsert_profiles(runtime, W, [Profile(id="p-1", traits=TRAITS)])
        before = await stored(runtime, "p-1")
    with pytest.raises(TraitsLocked) as caught:
        async with open_runtime(sealing(settings, *keys, names=("email",) if keys else ())):
            pass
    assert OLD not in str(caught.value)
    assert "PITCHWRIGHT_TRAIT_KEYS" in str(caught.value)
    async with open_runtime(sealing(settings, OLD)) as runtime:
        assert await stored(runtime, "p-1") == before
        assert (await get_profile(runtime, W, "p-1")).traits == TRAITS


async def test_a_damaged_value_is_refused_and_left_as_it_is(settings: Settings):
    async with open_runtime(sealing(settings, NEW, OLD)) as runtime:
        await create_workspace(runtime, W)
        await upsert_profiles(runtime, W, [Profile(id="p-1", traits=TRAITS)])
        whole = await stored(runtime, "p-1")
        damaged = {**whole, "email": {**whole["email"], "sealed": whole["email"]["sealed"][:-8] + "AAAAAAA="}}
        async with runtime.database.write() as session:
            kind = "TEXT" if runtime.database.dialect == "sqlite" else "JSONB"
            row = {"damaged": msgspec.json.encode(damaged).decode()}
            await session.execute(
                text("UPDATE profiles SET traits = CAST(:damaged AS KIND)".replace("KIND", kind)), row
            )
        with pytest.raises(TraitsLocked, match="is damaged"):
            await get_profile(runtime, W, "p-1")
