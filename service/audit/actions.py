"""Put acts on record and read them."""

import getpass
import socket
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.model import Act, Entry
from service.audit.store import AuditStore
from service.listing import in_utc
from service.privacy.model import pseudonym
from service.privacy.store import ErasureStore
from service.runtime import Runtime
from service.workspaces.model import ApiKey

ENTRIES_AT_ONCE = 1_000
_PERSONAL = "profile_id"


async def record_request(
    runtime: Runtime,
    key: ApiKey,
    action: str,
    target: Mapping[str, str],
    status: int,
    *,
    origin: str,
    request_id: str,
) -> Entry:
    """Put a request on record under its key; a profile's id is hashed, as in receipts of erasures."""
    act = Act(
        at=runtime.now(),
        actor=f"pw_{key.prefix}",
        actor_name=key.name,
        action=action,
        target=dict(target),
        status=status,
        origin=origin,
        request_id=request_id,
    )
    return await _record(runtime, key.workspace, act)


async def record_command(runtime: Runtime, workspace: str, action: str, **target: str) -> Entry:
    """Put a command on record under the user of this machine."""
    act = Act(
        at=runtime.now(),
        actor=f"cli:{_user()}",
        actor_name=_user(),
        action=action,
        target=target,
        origin=socket.gethostname(),
    )
    return await _record(runtime, workspace, act)


async def list_entries(
    runtime: Runtime, workspace: str, *, after: int = 0, limit: int = 50, since: datetime | None = None
) -> tuple[Entry, ...]:
    """Return up to `limit` entries after a number, in order; a time needs an offset (InvalidInput)."""
    since = None if since is None else in_utc("since", since)
    async with runtime.database.read() as session:
        return await AuditStore(session, workspace).page(after, limit, since=since)


async def every_entry(runtime: Runtime, workspace: str) -> AsyncIterator[Entry]:
    """Go through the whole log, in constant memory."""
    after = 0
    while entries := await list_entries(runtime, workspace, after=after, limit=ENTRIES_AT_ONCE):
        for entry in entries:
            yield entry
        after = entries[-1].number


async def _record(runtime: Runtime, workspace: str, act: Act) -> Entry:
    async def record(session: AsyncSession) -> Entry:
        target = act.target
        if _PERSONAL in target:
            key = await ErasureStore(session, workspace).key()
            target = {**target, _PERSONAL: pseudonym(key, target[_PERSONAL])}
        return await AuditStore(session, workspace).append(msgspec.structs.replace(act, target=target))

    return await runtime.group_commit.write(workspace, record)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for its user
        return "unknown"
