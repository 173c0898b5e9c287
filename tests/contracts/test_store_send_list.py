"""What a send list reads of members and of decisions; on both databases."""

import msgspec
from cryptography.fernet import Fernet

from service.campaigns.send_list_members import MemberReader
from service.drafts.decision_store import DecisionStore
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import create_workspace
from tests.contracts.test_store_decisions import add, decision, edit, stored
from tests.contracts.test_store_rooms import draft


async def test_members_are_read_in_the_order_of_their_ids_with_what_is_encrypted_opened(settings: Settings):
    sealing = msgspec.structs.replace(
        settings, trait_keys=(Fernet.generate_key().decode(),), encrypted_traits=("email", "phone")
    )
    async with open_runtime(sealing) as runtime:
        await create_workspace(runtime, "shop")
        people = [
            Profile(id="Zoë", traits={"email": "z@mail.example", "first_name": "Zoë\u00a0 \n", "age": 30.0}),
            Profile(id="éa", traits={"phone": 491511234567.0, "vip": True, "first_name": ""}),
            Profile(id="a", traits={"vip": False, "nick": None}),
        ]
        await upsert_profiles(runtime, "shop", people)
        reader = MemberReader(runtime.vault, ("first_name", "vip", "age"))
        async with runtime.database.read() as session:
            rows = await reader.stored(session, "shop", ["éa", "a", "Zoë", "nobody"])
        found = reader.columns(rows)
    assert found.rows() == [
        ("Zoë", None, "z@mail.example", None, "Zoë", None, "30"),
        ("a", None, None, None, None, None, None),
        ("éa", None, None, "491511234567", None, "true", None),
    ]
    assert found.columns[2:] == ["tag_email", "tag_phone", "tag_first_name", "tag_vip", "tag_age"]


async def test_of_a_variant_in_several_drafts_the_newest_decisions_count(runtime: Runtime):
    await stored(runtime, draft(1, "Dig"), draft(2, "Dig"))
    await add(runtime, "20260001", edit(1))
    await add(runtime, "20260001", decision(2, "accepted"))
    late = decision(1, "rejected")
    await add(runtime, "20260002", msgspec.structs.replace(late, at=late.at.replace(hour=13)))
    async with runtime.database.read() as session:
        found = await DecisionStore(session, "shop").of_variants(["v", "w"])
    assert {name: [each.verdict for each in decisions] for name, decisions in found.items()} == {
        "v": ["rejected"]
    }
