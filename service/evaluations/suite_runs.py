"""Suites over the runtime's engine and encoder, and the runs that are kept in the data folder."""

import hashlib
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from service.runtime import Runtime

if TYPE_CHECKING:
    from eval.answers import Answers
    from eval.figures import Figures
    from eval.harness import Candidate
    from eval.measures import Sample
    from eval.result import CandidateResult, SuiteResult, SuiteRun
    from eval.suite import Engine, NamedEngine, PromptSet, Suite
    from indexing.embedder import Embedder
    from prompts.brief import Brief
    from prompts.catalog import Catalog
    from prompts.engine import Engine as LoadedEngine
    from service.settings import Settings

Progress = Callable[[str, int, int | None], None]

IN_PROCESS_TIMEOUT_SECONDS = 600.0
"""Nobody waits for one answer of a suite: a busy machine must not look like a worse engine."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A suite that can be run: read, its data drawn, its prompts found, its goals possible."""

    suite: "Suite"
    briefs: tuple["Brief", ...]
    catalogs: dict[str, "Catalog"]
    """By the name of the set of prompts; the empty name is the newest of every prompt."""
    data: dict[str, str]
    notes: tuple[str, ...]

    @property
    def drafts(self) -> int:
        """How many drafts a run asks for."""
        return len(self.briefs) * self.suite.repeats * len(self.suite.engines) * len(self.catalogs)


def prepare(path: Path, folder: Path | None = None) -> Prepared:
    """Read a suite file and everything it names, but for engines; `folder` goes before its data's own.

    Raises `SuiteError`, `ImportFailed`, `DatasetError` and `TemplateError`: mistakes are told before
    anything is written.
    """
    from eval.asking import expand
    from eval.harness import check_thresholds
    from eval.suite import load_suite

    suite = load_suite(path)
    drawn = None
    if suite.data is not None:
        from service.evaluations.suite_products import draw_products

        drawn = draw_products(suite.data, path.parent, folder)
    briefs = expand(suite, drawn.products if drawn else ())
    check_thresholds(suite, briefs)
    catalogs = {prompts.name: _catalog(prompts, path.parent) for prompts in suite.prompts}
    if not catalogs:
        from prompts.catalog import Catalog

        catalogs = {"": Catalog.load()}
    return Prepared(
        suite=suite,
        briefs=briefs,
        catalogs=catalogs,
        data=drawn.digests if drawn else {},
        notes=drawn.notes if drawn else (),
    )


def _catalog(prompts: "PromptSet", beside: Path) -> "Catalog":
    from prompts.catalog import Catalog

    catalog = Catalog.load()
    if prompts.folder is not None:
        catalog = catalog.with_folder(beside / prompts.folder)
    return catalog.overridden([catalog.find(name) for name in prompts.templates])


async def evaluate_suite(
    runtime: Runtime,
    path: Path,
    progress: Progress | None = None,
    *,
    folder: Path | None = None,
    keep_answers: bool = True,
) -> "SuiteRun":
    """Run a suite file with the engines it names, one after the other.

    `keep_answers` reads and keeps answers in the data folder. Raises as `prepare` does, `SuiteError` when
    nothing could be written, and `EngineError` when an engine is dead.
    """
    from eval.harness import run_candidate
    from eval.result import SuiteResult, SuiteRun, origin
    from eval.suite import digest, engine_name

    begun, started = time.perf_counter(), runtime.now().isoformat(timespec="seconds")
    prepared = await runtime.run(prepare, path, folder)
    settings = {engine: _settings(runtime.settings, engine) for engine in prepared.suite.engines}
    embedder = await runtime.embedder()
    results: list[CandidateResult] = []
    samples: list[Sample] = []
    for named in prepared.suite.engines:
        async with _engine(runtime, named, settings[named]) as engine:
            answers = await runtime.run(_answers, runtime.settings, named, keep=keep_answers)
            for prompts, catalog in prepared.catalogs.items():
                name = engine_name(named) + (f"+{prompts}" if prompts else "")
                candidate = _candidate(name, engine, catalog, embedder)
                result, written = await run_candidate(
                    prepared.suite, prepared.briefs, candidate, embedder, answers, progress
                )
                results.append(result)
                samples.extend(written)
    seconds = time.perf_counter() - begun
    encoder = f"{embedder.name}@{embedder.digest[:8]}"
    made = await runtime.run(origin, started, seconds, encoder, prepared.data, prepared.notes)
    return SuiteRun(
        result=SuiteResult(
            suite=prepared.suite,
            suite_digest=digest(prepared.suite),
            origin=made,
            candidates=tuple(results),
        ),
        samples=tuple(samples),
    )


@asynccontextmanager
async def _engine(runtime: Runtime, named: "Engine", settings: "Settings") -> AsyncGenerator["LoadedEngine"]:
    """Open the engine a suite names; the settings' own stays open, it is the runtime's."""
    if named == "settings":
        yield await runtime.engine()
        return
    from service.llm.load import load_engine

    engine = await runtime.run(load_engine, settings)
    try:
        yield engine
    finally:
        await engine.close()


def _settings(settings: "Settings", named: "Engine") -> "Settings":
    """Point the settings at the engine a suite names; their key goes nowhere but to their own server."""
    in_process = isinstance(named, str) or named.url is None
    bare = msgspec.structs.replace(
        settings,
        engine_timeout_seconds=max(
            settings.engine_timeout_seconds, IN_PROCESS_TIMEOUT_SECONDS if in_process else 0
        ),
        engine_url=None,
        engine_model=None,
        engine_dialect=None,
        engine_languages=None,
        engine_api_key=None,
    )
    if isinstance(named, str):
        return bare
    return msgspec.structs.replace(
        bare,
        engine_url=named.url,
        engine_model=named.model,
        engine_dialect=named.dialect,
        engine_languages=named.languages,
        engine_api_key=_key(named),
    )


def _key(named: "NamedEngine") -> str | None:
    if named.api_key_variable is None:
        return None
    key = os.environ.get(named.api_key_variable)
    if not key:
        from eval.errors import SuiteError

        raise SuiteError(
            f"engine {named.name!r} wants its key in {named.api_key_variable}, which is not set: export it"
        )
    return key


def _candidate(name: str, engine: "LoadedEngine", catalog: "Catalog", embedder: "Embedder") -> "Candidate":
    from functools import partial

    from eval.harness import Candidate
    from service.llm.pocket.nearest import understand

    if engine.info.dialect != "pocket":
        return Candidate(name=name, engine=engine, catalog=catalog)
    return Candidate(
        name=name, engine=engine, catalog=catalog, understand=partial(understand, embedder=embedder)
    )


def _answers(settings: "Settings", named: "Engine", *, keep: bool) -> "Answers":
    from eval.answers import Answers

    url = settings.engine_url if named == "settings" else None if isinstance(named, str) else named.url
    return Answers(
        evaluations_folder(settings) / "answers" if keep else None, made_by=url or _decoding_digest()
    )


def _decoding_digest() -> str:
    """Identify the code that decodes in this process: the same weights answer otherwise under other code."""
    total = hashlib.sha256()
    for file in sorted((Path(__file__).parent.parent / "llm").glob("*.py")):
        total.update(file.read_bytes())
    return total.hexdigest()[:16]


def evaluations_folder(settings: "Settings") -> Path:
    """Say where answers and runs are kept."""
    return Path(settings.data_dir) / "evaluations"


def new_run_folder(settings: "Settings", result: "SuiteResult", now: datetime) -> Path:
    """Name a folder for a run that was given none: by time and suite, never one that is there."""
    name = f"{now:%Y%m%d-%H%M%S}-{result.label}"
    folder = evaluations_folder(settings) / "runs" / name
    number = 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{name}-{number}")
    return folder


def kept_runs(settings: "Settings") -> tuple[list[tuple[Path, "SuiteResult"]], list[str]]:
    """List the runs that are kept, the newest first; and, in words, folders whose result cannot be read."""
    from eval.errors import ResultError
    from eval.result import read_result

    found: list[tuple[Path, SuiteResult]] = []
    unreadable: list[str] = []
    for folder in sorted((evaluations_folder(settings) / "runs").glob("*"), reverse=True):
        try:
            found.append((folder, read_result(folder)))
        except ResultError as error:
            unreadable.append(str(error))
    return found, unreadable


def find_run(settings: "Settings", named: str) -> tuple[Path, str | None]:
    """Find what a person calls a run: a path or the name of a kept one, and `@` with a candidate if any."""
    if Path(named).exists():
        return Path(named), None
    name, _, candidate = named.partition("@")
    kept = evaluations_folder(settings) / "runs" / name
    return (kept if kept.exists() else Path(name)), candidate or None


def write_run(folder: Path, run: "SuiteRun", summary: "Figures") -> None:
    """Leave a run in a folder: figures, result, copy, and the same for readers, CI and browsers."""
    from eval.figures import encode
    from eval.html.page import render
    from eval.junit import as_junit
    from eval.report import as_markdown
    from eval.result import encode_result
    from eval.suite_page import run_page

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(encode(summary) + "\n", encoding="utf-8")
    (folder / "result.json").write_bytes(encode_result(run.result))
    (folder / "samples.jsonl").write_bytes(
        b"".join(msgspec.json.encode(sample) + b"\n" for sample in run.samples)
    )
    (folder / "report.md").write_text(as_markdown(run, summary), encoding="utf-8", errors="replace")
    (folder / "report.xml").write_bytes(as_junit(run.result))
    (folder / "report.html").write_text(render(run_page(run)), encoding="utf-8")
