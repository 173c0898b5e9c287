"""Build the demo, a stage at a time; each stage that was finished before is reused."""

import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec

from service.campaigns.actions import run_campaign
from service.campaigns.model import Campaign, Row
from service.contact.actions import set_consents
from service.contact.model import Word
from service.contact.shapes import ConsentFact
from service.demo.audiences import AudiencePlan, plan_audiences
from service.demo.model import Demo, DemoAudience
from service.errors import NotFound, Unauthenticated
from service.importing.actions import import_folder
from service.profiles.actions import list_profiles
from service.runtime import Runtime
from service.segments.actions import create_segment, get_segment
from service.segments.previews import preview_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot, list_snapshots
from service.snapshots.model import SnapshotInfo
from service.workspaces.actions import create_key, ensure_workspace, verify_key

Progress = Callable[[str, int, int | None], None]
Result = TypeVar("Result")

DEFAULT_SEED = 7
CAMPAIGN_FILE = "campaign.yaml"
ALL_PROFILES = 1_000_000
_CONSENTING = {"email": 0.8, "push": 0.5, "sms": 0.4}
"""Of those who were asked about a channel, the share that said yes."""
_ASKED = 0.9
_SAID = datetime(2025, 1, 1, tzinfo=UTC)
_KEY_FILE = "key"
_STATE_FILE = "demo.json"


class DemoState(msgspec.Struct, frozen=True, kw_only=True):
    """What is finished, by workspace; the file beside the store that a second run reads."""

    imported: dict[str, str] = {}
    """Workspace to what made its world: the version of Pitchwright and the digest of the shop's phrases."""


class Stages:
    """Times stages and remembers which were reused."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.reused: list[str] = []

    async def run(self, name: str, work: Awaitable[Result]) -> Result:
        """Await one stage's work and note its seconds."""
        started = time.perf_counter()
        try:
            return await work
        finally:
            self.seconds[name] = round(time.perf_counter() - started, 2)


def demo_settings(settings: Settings, seed: int) -> Settings:
    """Turn the user's settings into the demo's: a folder and a SQLite store of its own, the same engine."""
    return msgspec.structs.replace(
        settings,
        data_dir=str(Path(settings.data_dir) / "demo"),
        database_url=None,
        workspace="demo" if seed == DEFAULT_SEED else f"demo-{seed}",
    )


async def build_demo(runtime: Runtime, seed: int, progress: Progress | None = None) -> Demo:
    """Build whatever of the demo is missing, and answer all of it.

    `runtime` is one opened for `demo_settings`. Every stage is finished or leaves nothing behind, so that it
    can be stopped at any moment and started again.
    """
    workspace = runtime.settings.workspace
    folder = Path(runtime.settings.data_dir)
    stages = Stages()
    info, audiences = await build_shop(runtime, seed, progress, stages)
    out = folder / f"campaign-{workspace}"
    variants = await stages.run("campaign", _campaign(runtime, workspace, out, stages, progress))
    engine = (await runtime.engine()).info
    return Demo(
        workspace=workspace,
        seed=seed,
        snapshot=info.version,
        data_dir=str(folder),
        items=info.items,
        profiles=info.profiles,
        events=info.events,
        audiences=audiences,
        variants=variants,
        seconds=stages.seconds | {"total": round(sum(stages.seconds.values()), 2)},
        reused=tuple(stages.reused),
        engine=f"{engine.name}/{engine.model}",
    )


async def build_shop(
    runtime: Runtime, seed: int, progress: Progress | None = None, stages: Stages | None = None
) -> tuple[SnapshotInfo, tuple[DemoAudience, ...]]:
    """Build what is missing of the demo without copy, in the runtime's workspace and data folder."""
    stages, workspace = stages or Stages(), runtime.settings.workspace
    folder = Path(runtime.settings.data_dir)
    await stages.run("shop", _shop(runtime, workspace, folder, seed, stages, progress))
    info = await stages.run("snapshot", _snapshot(runtime, workspace, stages, progress))
    return info, await stages.run("audiences", _audiences(runtime, workspace))


def demo_campaign() -> Campaign:
    """Read the demo's campaign file, as shipped."""
    text = (resources.files("service.demo") / CAMPAIGN_FILE).read_text(encoding="utf-8")
    return msgspec.yaml.decode(text, type=Campaign)


async def _shop(
    runtime: Runtime, workspace: str, folder: Path, seed: int, stages: Stages, progress: Progress | None
) -> None:
    """Generate the world, write it as files and import those, as any shop's would be."""
    from eval.datasets.demo_world import wares_digest
    from eval.figures import version

    state, made_by = _read_state(folder), f"{version()} {wares_digest()}"
    if state.imported.get(workspace) == made_by:
        stages.reused.append("shop")
        return
    mapping = await runtime.run(_write_world, seed, folder / f"world-{seed}")
    await ensure_workspace(runtime, workspace)
    await import_folder(runtime, workspace, mapping.parent, mapping, progress)
    await set_consents(runtime, workspace, await _consents(runtime, workspace))
    _write_state(folder, DemoState(imported=state.imported | {workspace: made_by}))


async def _consents(runtime: Runtime, workspace: str) -> list[ConsentFact]:
    """Invent what the customers said about being written to; the same ones each time."""
    page = await list_profiles(runtime, workspace, limit=ALL_PROFILES)
    facts: list[ConsentFact] = []
    for profile in page.rows:
        draw = Random(profile.id)  # noqa: S311 -- invents customers
        for channel, share in _CONSENTING.items():
            if draw.random() < _ASKED:
                word: Word = "granted" if draw.random() < share else "denied"
                said = {"profile_id": profile.id, "channel": channel, "source": "invented"}
                facts.append(ConsentFact(**said, word=word, at=_SAID))
    return facts


def _write_world(seed: int, folder: Path) -> Path:
    from eval.datasets.demo_world import generate, write

    folder.mkdir(parents=True, exist_ok=True)
    return write(generate(seed=seed), folder)


async def _snapshot(
    runtime: Runtime, workspace: str, stages: Stages, progress: Progress | None
) -> SnapshotInfo:
    published = await list_snapshots(runtime, workspace)
    if published and "shop" in stages.reused:
        stages.reused.append("snapshot")
        return published[0]
    return await build_snapshot(runtime, workspace, progress)


async def _audiences(runtime: Runtime, workspace: str) -> tuple[DemoAudience, ...]:
    snapshot = await runtime.snapshot(workspace)
    plans = await runtime.run(plan_audiences, snapshot)
    return tuple([await _audience(runtime, workspace, plan) for plan in plans])


async def _audience(runtime: Runtime, workspace: str, plan: AudiencePlan) -> DemoAudience:
    """Make the segment unless it is there: whoever changed it in the demo keeps the change."""
    try:
        segment = await get_segment(runtime, workspace, plan.name)
    except NotFound:
        segment = await create_segment(
            runtime, workspace, plan.name, plan.definition, note="made by the demo"
        )
    preview = await preview_segment(runtime, workspace, segment.name)
    return DemoAudience(
        name=segment.name,
        by=plan.by,
        definition=segment.definition,
        size=preview.size,
        population=preview.population,
        share=preview.share,
        description=preview.description,
    )


async def _campaign(
    runtime: Runtime, workspace: str, out: Path, stages: Stages, progress: Progress | None
) -> tuple[Row, ...]:
    summary, rows = await run_campaign(runtime, workspace, demo_campaign(), out, progress)
    if not summary.units.written:
        stages.reused.append("campaign")
    return rows


def _read_state(folder: Path) -> DemoState:
    try:
        return msgspec.json.decode((folder / _STATE_FILE).read_bytes(), type=DemoState)
    except (FileNotFoundError, msgspec.DecodeError):  # never finished: the stages run, and each is repeatable
        return DemoState()


def _write_state(folder: Path, state: DemoState) -> None:
    fresh = folder / f"{_STATE_FILE}.new"
    fresh.write_bytes(msgspec.json.encode(state))
    fresh.replace(folder / _STATE_FILE)


async def demo_key(runtime: Runtime) -> str:
    """Return the text of the demo's own API key, made once and kept in the demo's folder for its owner alone.

    The store holds its hash, as of any key; the text lies in a file of mode 0600, so that the printed
    commands work on later days too.
    """
    workspace = runtime.settings.workspace
    path = Path(runtime.settings.data_dir) / f"{_KEY_FILE}-{workspace}"
    try:
        text = path.read_text(encoding="ascii").strip()
        await verify_key(runtime, text)
    except (FileNotFoundError, UnicodeDecodeError, Unauthenticated):  # none yet, or one of another store
        path.unlink(missing_ok=True)
        text = (await create_key(runtime, workspace, "demo", ["admin"])).text
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(f"{text}\n")
    return text
