"""An engine by script behind a port, in a process that can be killed.

Run as `python -m tests.journeys.campaign_engine PORT`; it says when it listens.
"""

import asyncio
import sys

from tests.journeys.test_campaign_kill import reply
from tests.service.campaigns.shop import SlowEngine
from tests.service.chat_server import chat_server, serving


async def main() -> None:
    engine = SlowEngine(reply)
    engine.seconds = 0.15
    async with chat_server(serving(engine, "scripted"), port=int(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
