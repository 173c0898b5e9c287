"""The archive of headline tests a server was given: read and encoded once, beside requests."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from eval.datasets.upworthy import read_headline_tests
from eval.errors import DatasetError
from eval.proxies.headline.similar import Rivals, SimilarHeadlines, Tested, rivals
from indexing.embedder import Vectors
from indexing.errors import EmbedderError
from service.executor import stop_if_abandoned
from service.runtime import Runtime

CHUNK_TEXTS = 128
"""Headlines encoded at a time: requests that wait for the encoder get it in between."""
NONE_GIVEN = "this server has no headline tests: PITCHWRIGHT_HEADLINE_TESTS names no file"


class HeadlineArchive:
    """Opened by the first who asks; what it encodes stays in the embedding cache."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self._open: SimilarHeadlines | None = None
        self._broken = ""
        self._done = 0

    async def open(self, runtime: Runtime, progress: Any = stop_if_abandoned) -> SimilarHeadlines | None:
        """Wait until it is read and encoded; none where no file is named.

        Each step is a call of the executor, so that requests come in between. Raises `DatasetError` for a
        file that is no such archive, and `EmbedderError`.
        """
        async with self._lock:
            if self._open is None and self._path:
                found = await runtime.run(read_rivals, Path(self._path))
                embedder = await runtime.embedder()
                parts: list[Vectors] = []
                for start in range(0, len(found.texts), CHUNK_TEXTS):
                    part = found.texts[start : start + CHUNK_TEXTS]
                    parts.append(await runtime.run(embedder.encode, part))
                    self._done = start + len(part)
                    progress("reading tested headlines", self._done, len(found.texts))
                self._open = SimilarHeadlines(found, np.concatenate(parts))
                _log().info("headline tests read", headlines=len(found.texts), notes=found.notes)
            return self._open

    def at_hand(self, runtime: Runtime) -> SimilarHeadlines | str:
        """Return it, or why it cannot be had now; when nobody has opened it yet, that begins."""
        if self._open is not None:
            return self._open
        if not self._path:
            return NONE_GIVEN
        if self._broken:
            return self._broken
        if not self._lock.locked():
            runtime.start(self._begin(runtime))
        return f"the headline tests are being read ({self._done:,} so far): ask again in a minute"

    async def _begin(self, runtime: Runtime) -> None:
        try:
            await self.open(runtime)
        except (DatasetError, EmbedderError) as error:
            self._broken = str(error)
            _log().error("no headline tests", reason=self._broken)


async def similar_to(runtime: Runtime, lines: Sequence[str], k: int) -> tuple[list[tuple[Tested, ...]], str]:
    """Find the k tested headlines most like each line, none for an empty one; or say why there are none."""
    nothing: list[tuple[Tested, ...]] = [() for _ in lines]
    if not k:
        return nothing, ""
    found = runtime.headline_archive.at_hand(runtime)
    if isinstance(found, str):
        return nothing, found
    embedder = await runtime.embedder()
    vectors = await runtime.run(embedder.encode, lines)
    nearest = await runtime.run(partial(found.like, vectors, k))
    return [each if line else () for each, line in zip(nearest, lines, strict=True)], ""


def read_rivals(path: Path) -> Rivals:
    """Read the headlines that competed; raises `DatasetError` for a file that is no archive of such tests."""
    try:
        return rivals(read_headline_tests([path]))
    except DatasetError as error:
        raise DatasetError(f"PITCHWRIGHT_HEADLINE_TESTS: {error}") from error


def _log() -> structlog.typing.FilteringBoundLogger:
    return structlog.get_logger("pitchwright.jobs")
