"""A campaign's units written by Ray: actors with an engine each, calling what a run in this process calls."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from indexing.errors import ClusterError
from indexing.on_ray import mapped
from prompts.catalog import Catalog
from prompts.errors import PromptError
from service.campaigns.job import Written
from service.campaigns.model import Campaign, Unit
from service.campaigns.writing import Writer
from service.errors import ServiceError
from service.runtime import Runtime, open_runtime
from service.settings import Settings

_arrow: Any = import_module("pyarrow")


class UnitWriter:
    """An actor: tables of `unit` to tables of `written`, both JSON.

    Engine and encoder are those of the settings; the store is an empty one of its own, for everything a unit
    needs was looked up before.
    """

    def __init__(self, settings: Settings, workspace: str, campaign: Campaign, catalog: Catalog) -> None:
        self._settings = settings
        self._workspace = workspace
        self._campaign = campaign
        self._catalog = catalog
        self._loop = asyncio.Runner()
        self._runtime: Runtime | None = None
        self._scratch = tempfile.TemporaryDirectory(prefix="pitchwright-")
        self._opened = AsyncExitStack()  # never closed: Ray ends an actor with its process

    def __call__(self, batch: Any) -> Any:
        """Write some units at once."""
        units = [msgspec.json.decode(text, type=Unit) for text in batch["unit"].to_pylist()]
        written = self._loop.run(self._write(units))
        return _arrow.table({"written": [msgspec.json.encode(each).decode() for each in written]})

    async def _write(self, units: Sequence[Unit]) -> list[Written]:
        if self._runtime is None:
            settings = msgspec.structs.replace(
                self._settings,
                data_dir=self._scratch.name,
                database_url=None,
                trait_keys=(),
                encrypted_traits=(),
            )
            self._runtime = await self._opened.enter_async_context(open_runtime(settings))
        engine = await self._runtime.engine()
        writer = Writer(self._runtime, self._workspace, self._campaign)
        return await asyncio.gather(*(writer.write(unit, engine, self._catalog) for unit in units))


async def written_on_ray(
    runtime: Runtime,
    workspace: str,
    campaign: Campaign,
    units: Sequence[Unit],
    catalog: Catalog,
    at_once: int,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> AsyncGenerator[tuple[Unit, Written]]:
    """Have units written, so many at a time by each actor, and yield each in their order.

    Called within `indexing.on_ray.cluster`. Raises as `Writer.write` does, and `ClusterError`.
    """
    tables = (
        _arrow.table({"unit": [msgspec.json.encode(unit).decode() for unit in part]})
        for part in (units[start : start + at_once] for start in range(0, len(units), at_once))
    )
    settings = _for_workers(runtime.settings)
    arguments = (settings, workspace, campaign, catalog)
    results = mapped(tables, UnitWriter, *arguments, raises=(PromptError, ServiceError))
    waiting = iter(units)
    done, total = 0, sum(unit.brief.n for unit in units)
    while (table := await runtime.run(next, results, None)) is not None:
        for text in table.column("written").to_pylist():
            unit = next(waiting)
            done += unit.brief.n
            if progress is not None:
                progress("writing variants", done, total)
            yield unit, msgspec.json.decode(text, type=Written)
    if done != total:
        raise ClusterError(f"Of {total:,} variants {done:,} came back from Ray: run the campaign again.")


def _for_workers(settings: Settings) -> Settings:
    """Name folders as they are to be found from another folder."""
    return msgspec.structs.replace(
        settings, embedder=_found(settings.embedder), engine_model=_found(settings.engine_model)
    )


def _found(name: Any) -> Any:
    return str(Path(name).expanduser().resolve()) if name and Path(name).expanduser().is_dir() else name
