"""Deliveries sent: taken from the store by whichever process is free, tried, and the outcome written down.

At least once: a process that dies between a try and its note leaves the delivery to be tried again. Each
webhook is worked off one delivery at a time by a process, so a receiver that hangs holds up nobody else.
"""

import asyncio
import random
from datetime import timedelta
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import structlog

from eval.figures import version
from service.errors import ServiceError
from service.retry_after import retry_after_seconds
from service.runtime import Runtime
from service.webhooks.hosts import checked_addresses, checked_url, host_of
from service.webhooks.model import Due, Outcome, signed_headers
from service.webhooks.store import DeliveryStore, delete_old, due_webhooks

LOOK_EVERY_SECONDS = 1.0
SWEEP_EVERY = timedelta(hours=1)
AT_ONCE = 32
"""Webhooks a process works off at a time."""
LONGEST_ERROR = 500
CONNECT_SECONDS = 5.0
"""For one address; a host may have several."""


class Sender:
    """Sends what is due, for all workspaces of a store."""

    def __init__(self, runtime: Runtime, client: httpx.AsyncClient) -> None:
        self._runtime = runtime
        self._client = client
        self._busy: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._log = structlog.get_logger("pitchwright.webhooks")

    async def look(self) -> None:
        """Begin to work off every webhook that something is due for, as far as there is room."""
        async with self._runtime.database.read() as session:
            waiting = await due_webhooks(session, self._runtime.now())
        for pair in waiting:
            if pair not in self._busy and len(self._busy) < AT_ONCE:
                task = asyncio.create_task(self._work_off(*pair))
                self._busy[pair] = task
                task.add_done_callback(partial(self._ended, pair))

    async def rest(self) -> None:
        """Wait until nothing is under way."""
        await asyncio.gather(*self._busy.values())

    async def close(self) -> None:
        """Leave what is under way, which is due again at once; a process that drains lets it end before."""
        tasks = tuple(self._busy.values())
        await self._runtime.settle(tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _ended(self, pair: tuple[str, str], task: "asyncio.Task[None]") -> None:
        del self._busy[pair]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a delivery failed here", exc_info=error)

    async def _work_off(self, workspace: str, webhook_id: str) -> None:
        log = self._log.bind(workspace=workspace, webhook=webhook_id)
        runtime = self._runtime
        try:
            while not runtime.draining:
                async with runtime.database.write() as session:
                    due = await DeliveryStore(session, workspace).claim(webhook_id, runtime.now())
                if due is None:
                    return
                try:
                    outcome = await self._try(due)
                except asyncio.CancelledError:
                    async with runtime.database.write() as session:
                        await DeliveryStore(session, workspace).hand_back(webhook_id, due, runtime.now())
                    raise
                chance = random.random()  # noqa: S311 -- spreads retries, guards nothing
                async with runtime.database.write() as session:
                    store = DeliveryStore(session, workspace)
                    status = await store.record(webhook_id, due, outcome, runtime.now(), chance)
                if outcome.error is not None:
                    # Why stands in the delivery: it may quote the URL, whose path may be a secret.
                    log.warning("not delivered", delivery=due.id, status=status, answer=outcome.status)
        except ServiceError as error:  # the store is down; what was claimed is due again later
            log.warning("deliveries cannot be worked off", reason=str(error))

    async def _try(self, due: Due) -> Outcome:
        limit = self._runtime.settings.webhook_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._post(due)
        except TimeoutError:
            return Outcome(error=f"no answer within {limit:g} s")
        except Exception as error:  # whatever a receiver does to us is a failed try, and written down as one
            return Outcome(error=(str(error) or type(error).__name__)[:LONGEST_ERROR])

    async def _post(self, due: Due) -> Outcome:
        """Resolve the host, look at its addresses and ask the first that can be connected to."""
        settings = self._runtime.settings
        url = checked_url(due.url, settings)
        addresses = await checked_addresses(url, settings)
        for address in addresses:
            request = self._client.build_request(
                "POST",
                url.copy_with(host=address),
                content=due.body,
                headers={
                    "Host": url.netloc.decode("ascii"),
                    "Content-Type": "application/json",
                    **signed_headers(due, self._runtime.now()),
                },
                # The certificate must be the name's, though the connection goes to the address.
                extensions={"sni_hostname": host_of(url)},
                timeout=httpx.Timeout(settings.webhook_timeout_seconds, connect=CONNECT_SECONDS),
            )
            try:
                answer = await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if address == addresses[-1]:
                    raise
                continue
            await answer.aclose()  # nothing of the body is read
            return self._outcome(answer)
        raise OSError(f"{host_of(url)} has no address")

    def _outcome(self, answer: httpx.Response) -> Outcome:
        status = answer.status_code
        if answer.is_success:
            return Outcome(status=status)
        because = "redirects are not followed" if 300 <= status < 400 else "only 2xx is success"
        because = "the receiver is gone" if status == 410 else because
        pause = retry_after_seconds(answer.headers.get("retry-after"), self._runtime.now())
        return Outcome(status=status, error=f"answered {status}: {because}", retry_after_seconds=pause)


async def open_sender(runtime: Runtime) -> Sender:
    """Make a sender. It knows no proxy and follows nothing.

    It keeps no connection and no cookie either: two names at one address would share them.
    """

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(
            headers={"User-Agent": f"Pitchwright/{version()}"},
            verify=httpx.create_ssl_context(),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    return Sender(runtime, await asyncio.to_thread(client))


async def send_forever(runtime: Runtime) -> None:
    """Send what is due until cancelled, and delete what was kept for long enough; for `serve`."""
    log = structlog.get_logger("pitchwright.webhooks")
    sender = await open_sender(runtime)
    swept = None
    try:
        while not runtime.draining:
            try:
                await sender.look()
                if swept is None or runtime.now() - swept >= SWEEP_EVERY:
                    swept = runtime.now()
                    async with runtime.database.write() as session:
                        await delete_old(session, swept)
            except ServiceError as error:
                log.warning("deliveries cannot be read", reason=str(error))
            await asyncio.sleep(LOOK_EVERY_SECONDS)
    finally:
        await sender.close()
