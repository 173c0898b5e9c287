"""PostgreSQL answers what is asked often by an index: no table that grows is read from end to end.

The queries are those the stores send, caught on their way and explained with their own parameters.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.store import AuditStore
from service.campaigns.leases import LeaseStore
from service.campaigns.store import CampaignStore, open_jobs
from service.contact.store import ContactStore
from service.drafts.sent_store import SentStore
from service.drafts.store import DraftStore
from service.events.store import EventStore
from service.privacy.store import ErasureStore
from service.profiles.store import ProfileStore
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.webhooks.store import DeliveryStore, backlog, due_webhooks
from service.workspaces.actions import create_workspace
from service.workspaces.store import find_key
from tests.contracts.conftest import NOW, Clock

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

EVENTS, OTHERS = 1_000_000, 20_000
"""Rows of events, and of every other table that grows."""
AT = "timestamptz '2026-01-01 00:00:00+00' + number * interval '10 s'"
# Each with a row for each number; `AT` is its time.
FILLED = {
    "profiles (workspace_id, id, traits, digest, created_at, updated_at, trait_times)": (
        "'shop', 'p-' || number, '{}', 'd', AT, AT, '{}'"
    ),
    "drafts (workspace_id, id, created_at, channel, item_id, content, searched)": (
        "'shop', '2026' || lpad(number::text, 8, '0'), AT, 'email', 'i-' || number % 50, '{}', ''"
    ),
    "draft_decisions (workspace_id, draft_id, variant_id, number, verdict, reason, key_id, key_name, "
    "decided_at, edit)": (
        "'shop', '2026' || lpad(number::text, 8, '0'), '1', 1, 'accepted', '', 'k', 'k', AT, '{}'"
    ),
    "audit_entries (workspace_id, number, at, actor, actor_name, action, target, origin, request_id, "
    "digest)": ("'shop', number, AT, 'k', 'k', 'PUT /v1/brand', '{}', '', '', ''"),
    "api_keys (workspace_id, id, name, prefix, secret_sha256, scopes, created_at)": (
        "'shop', 'k-' || number, 'k', 'x' || number, '', '[]', AT"
    ),
    "consents (workspace_id, profile_id, channel, granted, source, changed_at)": (
        "'shop', 'p-' || number, 'email', true, '', AT"
    ),
    "erasures (workspace_id, id, erased_at, removed)": "'shop', 'r-' || number, AT, '[]'",
    "erased_subjects (workspace_id, subject, erasure_id)": "'shop', 's-' || number, 'r-' || number",
    "webhooks (workspace_id, id, url, events, segments, note, active, secret, created_at, updated_at)": (
        "'shop', 'w-' || number, 'https://crm.example', '[]', '[]', '', true, '', AT, AT"
    ),
    "webhook_deliveries (workspace_id, id, webhook_id, type, body, status, attempts, next_attempt_at, "
    "created_at)": (
        "'shop', 'd-' || number, 'w-' || 1 + number % 3, 'webhook.test', '{}', "
        "CASE WHEN number % 1000 = 0 THEN 'pending' ELSE 'delivered' END, 1, AT, AT"
    ),
    "sent_copy (workspace_id, channel, digest, variant_id, campaign, fields, sent_at)": (
        "'shop', CASE number % 200 WHEN 7 THEN 'email' ELSE 'c-' || number % 200 END, 'd-' || number, 'v', "
        "'c', '{}', AT"
    ),
    "campaigns (workspace_id, id, name, definition, n, state, total, completed, failed, tokens, seconds, "
    "budget, errors, created_at, updated_at)": (
        "'shop', 'c-' || number, 'c', '{}', 1, CASE number WHEN 7 THEN 'running' ELSE 'completed' END, 1, 1, "
        "0, 0, 0, '{}', '[]', AT, AT"
    ),
    "campaign_units (workspace_id, campaign_id, ordinal, custom_id, segment, item_id, channel, tone, "
    "language, state, lease_owner, lease_until, tries, tokens, digest, cached, variants)": (
        "'shop', 'c-' || CASE WHEN number % 2 = 0 THEN 7 ELSE number END, number, 'u-' || number, 's', "
        "'i-1', 'email', 'friendly', 'en', CASE WHEN number % 500 = 0 THEN 'queued' "
        "WHEN number % 502 = 0 THEN 'leased' ELSE 'done' END, 'w', AT, 1, 0, 'd-' || number, false, '[]'"
    ),
}
EVENT_COLUMNS = (
    "workspace_id",
    "id",
    "profile_id",
    "type",
    "item_id",
    "occurred_at",
    "properties",
    "recorded_at",
)
LATE = NOW + timedelta(days=3650)

Asks = Callable[[AsyncSession], Awaitable[object]]
HOT: dict[str, Asks] = {
    "a profile's events": lambda session: EventStore(session, "shop").newest("p-77", 200),
    "events since a snapshot": lambda session: EventStore(session, "shop").count_recorded_after(LATE),
    "a profile": lambda session: ProfileStore(session, "shop").get("p-77"),
    "a page of profiles": lambda session: ProfileStore(session, "shop").page("p-77", 100),
    "what a profile said": lambda session: ContactStore(session, "shop").consents("p-77"),
    "a members page, who was erased since": lambda session: ErasureStore(session, "shop").since(LATE),
    "who of these is erased": lambda session: ErasureStore(session, "shop").erased_among({"p-1", "p-2"}),
    "the first page of drafts": lambda session: DraftStore(session, "shop").page(None, 50),
    "another page of drafts": lambda session: DraftStore(session, "shop").page("202600010000", 50),
    "an item's drafts": lambda session: DraftStore(session, "shop").page(None, 50, item_id="i-7"),
    "copy that went out": lambda session: SentStore(session, "shop").newest("email"),
    "units to write": lambda session: LeaseStore(session, "shop", "c-7").take("me", 8, LATE, LATE),
    "units that are held": lambda session: LeaseStore(session, "shop", "c-7").renew("w", LATE),
    "whether a lease ran out": lambda session: LeaseStore(session, "shop", "c-7").needs_sweep(LATE),
    "leases that ran out": lambda session: LeaseStore(session, "shop", "c-7").sweep(LATE),
    "a page of units": lambda session: CampaignStore(session, "shop").units("c-7", 500, 50),
    "a page of campaigns": lambda session: CampaignStore(session, "shop").page("c-70", 50, LATE),
    "a unit written before": lambda session: CampaignStore(session, "shop").answered(["d-77", "d-78"]),
    "campaigns that are open": lambda session: open_jobs(session, None),
    "a key": lambda session: find_key(session, "x77"),
    "a page of the audit log": lambda session: AuditStore(session, "shop").page(15_000, 100),
    "the audit log since": lambda session: AuditStore(session, "shop").page(0, 100, since=LATE),
    "webhooks that are due": lambda session: due_webhooks(session, LATE),
    "the next delivery": lambda session: DeliveryStore(session, "shop").claim("w-2", LATE),
    "a page of deliveries": lambda session: DeliveryStore(session, "shop").page("w-2", None, 50),
    "the webhooks' backlog": lambda session: backlog(session, LATE),
}


@pytest.fixture
async def filled(postgres_url: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    """A store as large as makes an index worth its while, with statistics."""
    settings = Settings(data_dir=str(tmp_path), database_url=postgres_url, executor_threads=1)
    async with open_runtime(settings, clock=Clock()) as runtime:
        await create_workspace(runtime, "shop")
        async with runtime.database.write() as session:
            for table, row in FILLED.items():
                rows = f"INSERT INTO {table} SELECT {row} FROM generate_series(1, {OTHERS}) AS number"  # noqa: S608 -- ours
                rows = re.sub(r"\bAT\b", AT, rows)
                await session.execute(text(rows.replace(":", "\\:")))
            raw = await (await session.connection()).get_raw_connection()
            driver: Any = raw.driver_connection
            await driver.copy_records_to_table("events", records=events(), columns=EVENT_COLUMNS)
            await session.execute(text("ANALYZE"))
        yield runtime


def events() -> Iterator[tuple[Any, ...]]:
    for number in range(EVENTS):
        moment = NOW + timedelta(seconds=number)
        profile = f"p-{1 + number % OTHERS}"
        yield "shop", f"e-{number}", profile, "view", f"i-{number % 50}", moment, "{}", moment


@contextmanager
def caught(session: AsyncSession) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database, with its parameters."""
    sent = list[tuple[str, Any]]()

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def scanned(plan: Any) -> Iterator[str]:
    """The tables that a plan reads from end to end; not those it takes any one row of."""
    if plan["Node Type"] == "Limit" and plan["Plan Rows"] == 1 and "Sort" not in str(plan):
        return
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scanned(part)


async def test_what_is_asked_often_is_answered_by_an_index(filled: Runtime):
    found = dict[str, list[str]]()
    async with filled.database.write() as session:
        for name, ask in HOT.items():
            # The rows of drafts are hollow: what is asked has been sent when that is found out.
            with caught(session) as sent, suppress(msgspec.ValidationError):
                await ask(session)
            assert sent, name
            connection = await session.connection()
            for statement, parameters in sent:
                if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE")):
                    continue
                explained = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
                (plan,) = explained.scalar_one()
                if tables := sorted(set(scanned(plan["Plan"])) - {"workspaces", "pseudonym_keys"}):
                    found[name] = tables
    assert found == {}
