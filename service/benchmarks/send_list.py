"""How fast a send list is written, beside the loop a script would be: a template rendered for every row.

Both read the same members from the same store, fill the same texts for them and write the same CSV; ours also
holds every text against its channel's limits and keeps formulas out. They take turns, a stretch of members
each, so that what slows the machine slows both. Who may be written to is not asked: that costs once a
segment. Rates are by processor time, that of all threads added up: what one core does.
"""

import asyncio
import csv
import json
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import numpy as np
import polars as pl

from eval.figures import Figure, Figures, figure, figures
from prompts.merge_tags import FIRST_NAME
from service.benchmarks.processes import resident_bytes
from service.benchmarks.rig import Progress
from service.campaigns.send_list import SendList
from service.campaigns.send_list_export import write_members
from service.campaigns.send_list_files import SendListFiles
from service.campaigns.send_list_filling import SendUnit, SendVariant
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import open_runtime
from service.settings import Settings
from service.workspaces.actions import create_workspace

ROWS_PER_SECOND = 50_000.0
MEBIBYTES = 64.0
"""Memory is constant when no later stretch needs so much more than the first."""
MEMBERS_A_STRETCH = 50_000
SEGMENT = "everybody"
_NAMES = ("Ada", "Bo", "Chiara", "Dörte", "Emeka", "François", "Grace", "Hà", "Ignacio", "Jean-Baptiste")
_COPY = {
    "email": {
        "subject": f"{FIRST_NAME}, the beds are waiting",
        "preheader": "A trowel that has outlived three sheds",
        "body": f"Hello {FIRST_NAME},\n\nThe soil is warm enough, and the new trowel has a blade of one "
        "piece of steel that does not bend in clay. Its handle is ash, and fits a hand in a glove.\n\n"
        "It comes with a year of seeds for whoever orders by Sunday, and goes back free within a month.\n\n"
        f"See you outside, {FIRST_NAME}.",
        "cta": "See the trowel",
    },
    "push": {
        "title": f"{FIRST_NAME}, it is planting time",
        "body": "The trowel with a blade of one piece is back, with a year of seeds until Sunday.",
    },
    "sms": {"text": f"{FIRST_NAME}, the trowel is back: seeds with it until Sunday. https://shop.example/t"},
}
"""Copy with one merge tag, as the desk writes it when it greets."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run writes: a row a member on each of three channels."""

    members: int = 100_000
    seed: int = 0


class _Stretch(msgspec.Struct, frozen=True):
    """Some members, written both ways."""

    rows: int
    seconds: float
    script_seconds: float
    memory: int | None


async def benchmark_send_list(
    plan: Plan, settings: Settings, progress: Progress | None = None, keep: Path | None = None
) -> Figures:
    """Measure it. The last stretch's files stay in the folder `keep` where one is given."""
    begun = time.perf_counter()
    tell: Progress = progress or (lambda _what, _done, _total: None)
    with tempfile.TemporaryDirectory(prefix="bench-sendlist-") as scratch:
        folder = Path(scratch)
        own = msgspec.structs.replace(settings, data_dir=scratch, database_url=None)
        async with open_runtime(own) as runtime:
            await create_workspace(runtime, own.workspace)
            tell("storing members", 0, None)
            await upsert_profiles(runtime, own.workspace, _members(plan))
            send_list = SendList("bench", _units(), {"first_name"})
            stretches: list[_Stretch] = []
            with closing(sqlite3.connect(folder / "pitchwright.db", check_same_thread=False)) as script:
                for first in range(0, plan.members, MEMBERS_A_STRETCH):
                    ids = [_id(each) for each in range(first, min(first + MEMBERS_A_STRETCH, plan.members))]
                    where = keep or folder
                    used = time.process_time()
                    with SendListFiles(where / "list.csv", "csv", send_list.schema) as files:
                        everybody = dict.fromkeys(_COPY, np.ones(len(ids), dtype=np.bool_))
                        counts = await write_members(
                            runtime, own.workspace, send_list, files, SEGMENT, pl.Series(ids), everybody
                        )
                        await runtime.run(files.finish, plan)
                    between = time.process_time()
                    await asyncio.to_thread(
                        _by_script, script, own.workspace, ids, send_list.schema.names(), where / "script.csv"
                    )
                    stretches.append(
                        _Stretch(
                            sum(times for (_, what), times in counts.items() if what == "written"),
                            between - used,
                            time.process_time() - between,
                            resident_bytes(os.getpid()),
                        )
                    )
                    tell("members", first + len(ids), plan.members)
    command = f"pitchwright bench sendlist --members {plan.members}"
    return figures(command, _figures(stretches), seconds=time.perf_counter() - begun, seed=plan.seed)


def _id(number: int) -> str:
    return f"member-{number:09}"


def _members(plan: Plan) -> Iterator[Profile]:
    """Make members as a shop has them: one in ten without a first name, half without a telephone."""
    chance = random.Random(plan.seed)  # noqa: S311 # a seeded world, no secret
    for number in range(plan.members):
        traits: dict[str, Any] = {
            "email": f"{_id(number)}@mail.example",
            "plan": chance.choice(("free", "gold")),
            "country": chance.choice(("DE", "FR", "GB", "NG", "VN")),
            "age": float(chance.randrange(18, 90)),
        }
        if chance.random() < 0.9:
            traits["first_name"] = chance.choice(_NAMES)
        if chance.random() < 0.5:
            traits["phone"] = f"+49151{chance.randrange(10**7, 10**8)}"
        yield Profile(id=_id(number), traits=traits)


def _units() -> tuple[SendUnit, ...]:
    return tuple(
        SendUnit(
            segment=SEGMENT,
            item_id="trowel",
            channel=channel,
            variants=(SendVariant(id=f"{channel}-1", fields=dict(fields)),),
        )
        for channel, fields in _COPY.items()
    )


def _by_script(
    store: sqlite3.Connection, workspace: str, ids: list[str], columns: list[str], out: Path
) -> None:
    """Write the same list as a script would: a row at a time, templates made once."""
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 # copy is plain text
    tag = '{{ first_name | default("there", true) }}'
    templates = {
        channel: {
            name: environment.from_string(text.replace(FIRST_NAME, tag)) for name, text in fields.items()
        }
        for channel, fields in _COPY.items()
    }
    people = store.execute(
        "SELECT id, traits FROM profiles WHERE workspace_id = ? AND id BETWEEN ? AND ? ORDER BY id",
        (workspace, ids[0], ids[-1]),
    )
    with out.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        rows.writeheader()
        for profile_id, text in people:
            traits = json.loads(text)
            for channel, fields in templates.items():
                rows.writerow(
                    {
                        "profile_id": profile_id,
                        "email": traits.get("email"),
                        "phone": traits.get("phone"),
                        "segment": SEGMENT,
                        "item_id": "trowel",
                        "channel": channel,
                        "variant_id": f"{channel}-1",
                        "tag_first_name": traits.get("first_name") or "there",
                        **{name: template.render(traits) for name, template in fields.items()},
                    }
                )


def _figures(stretches: list[_Stretch]) -> list[Figure]:
    rows = sum(each.rows for each in stretches)
    ours, script = (
        rows / sum(seconds)
        for seconds in zip(*((each.seconds, each.script_seconds) for each in stretches), strict=True)
    )
    beside = ("a Jinja loop", script)
    made = [
        figure(
            "sendlist.rows_per_second",
            ours,
            unit="rows/s",
            n=rows,
            baseline=beside,
            at_least=ROWS_PER_SECOND,
        )
    ]
    memory = [each.memory for each in stretches if each.memory is not None]
    if len(memory) > 1:
        growth = (max(memory[1:]) - memory[0]) / 2**20
        made.append(figure("sendlist.memory.growth", growth, unit="MiB", n=rows, at_most=MEBIBYTES))
        made.append(figure("sendlist.memory.resident", memory[-1] / 2**20, unit="MiB", n=rows))
    return made
