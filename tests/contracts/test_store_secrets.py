"""Secrets of webhooks: sealed where there is a key, nowhere in plain, still what signs; on both stores."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Text, select, type_coerce

from service.errors import TraitsLocked
from service.idempotency import ANSWER_LASTS
from service.profiles.sealing import rotate_traits
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.webhooks import actions
from service.webhooks.model import Event
from service.webhooks.store import DeliveryStore
from service.webhooks.tables import WebhookRow
from service.workspaces.actions import create_workspace
from service.workspaces.model import Remembered
from service.workspaces.store import IdempotencyStore
from service.workspaces.tables import IdempotencyKeyRow
from tests.contracts.conftest import NOW

W, URL = "shop", "https://crm.example/hook"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def keyed(settings: Settings, *keys: str) -> Settings:
    return msgspec.structs.replace(settings, trait_keys=keys)


async def made(runtime: Runtime) -> tuple[str, str]:
    """Make a webhook; return its id and secret."""
    created = await actions.create_webhook(runtime, W, URL, ("campaign.done",))
    return created.id, created.secret


async def whole_store(runtime: Runtime) -> str:
    """What stands in the rows, and of SQLite in every byte of the database and its log."""
    columns = (type_coerce(WebhookRow.secret, Text), type_coerce(WebhookRow.former_secret, Text))
    async with runtime.database.read() as session:
        rows = (await session.execute(select(*columns))).all()
        bodies = (await session.scalars(select(IdempotencyKeyRow.body))).all()
    folder = Path(runtime.settings.data_dir)
    files = await asyncio.to_thread(lambda: [each.read_bytes() for each in folder.rglob("*.db*")])
    return repr((rows, bodies)) + b"".join(files).decode("latin-1")


async def signed_with(runtime: Runtime, webhook_id: str) -> tuple[str, ...]:
    """Return the secrets that a delivery of this moment is signed with."""
    async with runtime.database.write() as session:
        store = DeliveryStore(session, W)
        await store.tell(Event(type="campaign.done", timestamp=NOW, data={}), runtime.now())
        due = await store.claim(webhook_id, runtime.now())
    assert due is not None
    return due.secrets


async def test_a_secret_is_nowhere_in_plain_and_signs_as_it_was_shown(settings: Settings):
    async with open_runtime(keyed(settings, NEW)) as runtime:
        await create_workspace(runtime, W)
        webhook, first = await made(runtime)
        second = (await actions.rotate_secret(runtime, W, webhook, ANSWER_LASTS)).secret
        assert await signed_with(runtime, webhook) == (second, first)
        stored = await whole_store(runtime)
        assert first not in stored
        assert second not in stored
    with pytest.raises(TraitsLocked, match="PITCHWRIGHT_TRAIT_KEYS lacks"):
        async with open_runtime(settings):
            pass


async def test_without_a_key_secrets_stay_as_they_are_and_are_read_with_one_too(settings: Settings):
    async with open_runtime(settings) as runtime:
        await create_workspace(runtime, W)
        webhook, secret = await made(runtime)
        assert secret in await whole_store(runtime)
    async with open_runtime(keyed(settings, NEW)) as runtime:
        assert await signed_with(runtime, webhook) == (secret,)


async def test_rotation_seals_plain_secrets_and_changes_keys(settings: Settings):
    async with open_runtime(settings) as runtime:
        await create_workspace(runtime, W)
        webhook, secret = await made(runtime)
        async with runtime.database.write() as session:
            answers = IdempotencyStore(session, W)
            await answers.begin("k", "f", NOW, ANSWER_LASTS)
            answer = Remembered(status=201, headers={}, body=msgspec.json.encode({"secret": secret}))
            await answers.finish("k", answer)
    async with open_runtime(keyed(settings, OLD)) as runtime:
        done = await rotate_traits(runtime)
        assert (done.secrets, done.retired, done.compacted) == (2, (), True)
        assert secret not in await whole_store(runtime)
        old = done.key
    async with open_runtime(keyed(settings, NEW, OLD)) as runtime:
        done = await rotate_traits(runtime)
        assert (done.secrets, done.retired) == (2, (old,))
        assert (await rotate_traits(runtime)).secrets == 0
    async with open_runtime(keyed(settings, NEW)) as runtime:
        assert await signed_with(runtime, webhook) == (secret,)
        async with runtime.database.read() as session:
            body = await session.scalar(select(IdempotencyKeyRow.body))
        assert body is not None
        assert runtime.vault.opened_body(body) == answer.body
        stays = await rotate_traits(runtime)
        assert (stays.key, stays.retired) == (done.key, ())
