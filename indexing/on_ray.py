"""The parts of a build worked off by Ray: actor pools of `ray.data` that call what a build here calls.

Ray brings a part to a worker, restarts a worker that died, has its part done again, and keeps the order. Only
Arrow tables travel, over Ray's object store, so that no folder need be shared between machines.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.embedder import Embedder, Vectors
from indexing.errors import ClusterError, EmbedderError, IndexingError
from indexing.grouping import ItemTable
from indexing.index import Rows
from indexing.inverted_lists import ADDED_AT_ONCE, blank_lists, fill_blank, merge_lists
from indexing.item_vectors import Parts, encode_part
from indexing.profile_building import Chunk, ChunkProfiles, ProfileRules, compute_chunk
from indexing.profiles import Tastes, offsets_of
from indexing.slices import threads

_arrow: Any = import_module("pyarrow")
_polars: Any = pl

SCHEME = "ray"
_KNOCK_SECONDS = 10
_INSTALL = 'pip install "pitchwright[ray]"'


@contextmanager
def cluster(address: str, workers: int | None = None) -> Generator[None]:
    """Stay connected to Ray while the block runs.

    `address` is `ray`, which starts one on this machine that ends with the block, with so many `workers` (by
    default the cores); or `ray://HOST:PORT`, a cluster this machine is a node of, `ray://auto` whichever that
    is. Raises `ClusterError` when Ray is not installed, cannot be started, or nobody answers there.
    """
    own = address == SCHEME
    where = address.removeprefix(f"{SCHEME}://")
    if not own and where != "auto":
        _knock(where, address)
    ray = _ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports to its makers
    os.environ.setdefault("RAY_worker_niceness", "0")  # else whatever else runs here leaves workers nothing
    options: dict[str, Any] = (
        {"address": "local", "num_cpus": workers or threads(), "include_dashboard": False}
        if own
        else {"address": where}
    )
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:  # what its start raises, by where it fails
        raise ClusterError(f"Ray cannot be reached at {address!r}: {_first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


class RayWorkers:
    """`indexing.workers.Workers` on the Ray that `cluster` is connected to."""

    def __init__(self, open_embedder: Callable[[], Embedder], digest: str) -> None:
        """`open_embedder` is sent to every worker; it must open the embedder of that digest there."""
        self._open_embedder = open_embedder
        self._digest = digest

    def encode(self, parts: Parts) -> Iterator[Vectors]:
        """Encode by a pool of actors, each with its own encoder. Raises as `encode_part`, and as `mapped`."""
        tables = (_arrow.table({"text": _arrow.array(part, _arrow.large_string())}) for part in parts)
        for table in mapped(tables, Encoder, self._open_embedder, self._digest):
            yield _rows(table.column("vector"))

    def compute(
        self, chunks: Iterable[Chunk], rules: ProfileRules, table: ItemTable
    ) -> Iterator[ChunkProfiles]:
        """Compute by a pool of actors that share one copy of `table` a machine. Raises as `mapped`."""
        shared = [_ray().put(table)]  # in a list: Ray would unpack it into every actor otherwise
        for result in mapped(map(_chunk_table, chunks), ProfileComputer, shared, rules):
            yield _chunk_profiles(result)

    def fill_lists(self, index: Any, vectors: Vectors, places: Rows) -> None:
        """Find lists and codes by a pool of actors that share the centres. Raises as `mapped`."""
        parts = (places[start : start + ADDED_AT_ONCE] for start in range(0, len(places), ADDED_AT_ONCE))
        tables = (
            _arrow.table({"place": _arrow.array(part), "vector": _vector_array(vectors[part])})
            for part in parts
        )
        shared = [_ray().put(blank_lists(index))]
        for result in mapped(tables, ListFiller, shared):
            for filled in result.column("lists"):
                merge_lists(index, np.frombuffer(filled.as_buffer(), np.uint8))


class Encoder:
    """An actor: tables of `text` to tables of `vector`."""

    def __init__(self, open_embedder: Callable[[], Embedder], digest: str) -> None:
        self._open_embedder = open_embedder
        self._digest = digest
        self._embedder: Embedder | None = None

    def __call__(self, batch: Any) -> Any:
        """Encode one part. Raises `EmbedderError` when the encoder is not the one of the build."""
        if self._embedder is None:  # here rather than above: from there Ray tells no cause
            self._embedder = self._open_embedder()
            if self._embedder.digest != self._digest:
                raise EmbedderError(
                    f"A worker's embedder {self._embedder.name} has the digest {self._embedder.digest}, "
                    f"the build's {self._digest}: put the same model on every machine."
                )
        return _arrow.table({"vector": _vector_array(encode_part(batch["text"].to_pylist(), self._embedder))})


class ProfileComputer:
    """An actor: tables of profiles with their events to tables of profiles with tastes and interests."""

    def __init__(self, shared: list[Any], rules: ProfileRules) -> None:
        self._table: ItemTable = _ray().get(shared[0])
        self._rules = rules

    def __call__(self, batch: Any) -> Any:
        """Compute one chunk."""
        built = compute_chunk(_chunk(batch), self._rules, self._table)
        vectors = np.concatenate([np.zeros((0, self._table.vectors.shape[1]), np.float32), *built.vectors])
        interests = offsets_of(built.counts)
        return _arrow.table(
            {
                "item": _lists(built.tastes.offsets, _arrow.array(built.tastes.items)),
                "taste": _lists(built.tastes.offsets, _arrow.array(built.tastes.weights)),
                "interest": _lists(interests, _vector_array(vectors)),
                "share": _lists(interests, _arrow.array(built.shares)),
            }
        )


class ListFiller:
    """An actor: tables of vectors with their places to tables of one row, `lists`, that holds them."""

    def __init__(self, shared: list[Any]) -> None:
        self._blank: npt.NDArray[np.uint8] = _ray().get(shared[0])

    def __call__(self, batch: Any) -> Any:
        """Fill the lists with one part."""
        batch = batch.combine_chunks()
        places = batch.column("place").to_numpy()
        filled = fill_blank(self._blank, _rows(batch.column("vector")), places)
        return _arrow.table({"lists": _arrow.array([filled.tobytes()], _arrow.large_binary())})


def mapped(
    tables: Iterable[Any],
    actor: type,
    *arguments: object,
    raises: tuple[type[Exception], ...] = (IndexingError,),
) -> Iterator[Any]:
    """Have a pool of `actor(*arguments)`, one to a core, work off Arrow tables; the results in their order.

    A result may come in several tables. One table at a time is held here, all of them in Ray's object store,
    which moves to disk what memory does not hold. A worker that dies is started again and its table given to
    one anew, however often. Raises what the actor raised, where it is one of `raises`, or
    `ClusterError`.
    """
    ray, data = _ray(), _data()
    try:
        references = [ray.put(table) for table in tables]
        if not references:
            return
        dataset = data.from_arrow_refs(references)
        context = dataset.context
        context.execution_options.preserve_order = True
        context.enable_progress_bars = context.print_on_execution_start = False
        context.raise_original_map_exception = True
        results = dataset.map_batches(
            actor,
            batch_size=None,  # one table as it came: what is in a batch may show in the last bit of a vector
            batch_format="pyarrow",
            compute=data.ActorPoolStrategy(min_size=1, max_size=max(int(ray.cluster_resources()["CPU"]), 1)),
            fn_constructor_args=arguments,
            num_cpus=1,
        )
        # None ahead: a result would be held back until the next one is there.
        yield from results.iter_batches(prefetch_batches=0, batch_size=None, batch_format="pyarrow")
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, raises):
            cause.args = (_first_line(cause),)  # Ray adds advice on how to have it tried again
            raise cause from None
        raise ClusterError(f"The work on Ray failed: {_first_line(cause or error)}") from error


def _knock(where: str, address: str) -> None:
    """See whether anybody listens there: Ray itself would try for minutes."""
    host, _, port = where.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _KNOCK_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ClusterError(f"Ray cannot be reached at {address!r}: {error}") from error


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ClusterError(f"Ray is not installed: {_INSTALL}") from error
    return ray


def _data() -> Any:
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # of each step, and of errors that we raise
    return ray.data


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _chunk_table(chunk: Chunk) -> Any:
    """Lay a chunk out by profile: a row each, with a list of its events by column."""
    owners = chunk.events["profile"].to_numpy()
    offsets = np.searchsorted(owners, np.arange(chunk.n_profiles + 1, dtype=np.uint32))
    events: Any = chunk.events.drop("profile")
    columns = events.to_arrow(compat_level=pl.CompatLevel.oldest())
    return _arrow.table(
        {name: _lists(offsets, columns.column(name).combine_chunks()) for name in columns.column_names}
    )


def _chunk(table: Any) -> Chunk:
    """Read back what `_chunk_table` wrote."""
    table = table.combine_chunks()
    owners = np.repeat(np.arange(table.num_rows, dtype=np.uint32), _lengths(table, "item"))
    columns = {name: _polars.from_arrow(_flat(table, name)) for name in table.column_names}
    return Chunk(n_profiles=table.num_rows, events=pl.DataFrame({"profile": owners, **columns}))


def _chunk_profiles(table: Any) -> ChunkProfiles:
    table = table.combine_chunks()
    return ChunkProfiles(
        tastes=Tastes(
            items=_flat(table, "item").to_numpy(),
            weights=_flat(table, "taste").to_numpy(),
            offsets=offsets_of(_lengths(table, "item")),
        ),
        counts=_lengths(table, "interest"),
        shares=_flat(table, "share").to_numpy(),
        vectors=(_rows(_flat(table, "interest")),),
    )


def _lists(offsets: npt.NDArray[np.int64], values: Any) -> Any:
    return _arrow.LargeListArray.from_arrays(_arrow.array(offsets.astype(np.int64)), values)


def _vector_array(vectors: Vectors) -> Any:
    return _arrow.FixedSizeListArray.from_arrays(_arrow.array(vectors.ravel()), vectors.shape[1])


def _flat(table: Any, name: str) -> Any:
    """Join the lists of a column: an array of their elements."""
    return table.column(name).combine_chunks().flatten()


def _lengths(table: Any, name: str) -> npt.NDArray[np.int64]:
    return np.diff(table.column(name).combine_chunks().offsets.to_numpy()).astype(np.int64)


def _rows(vectors: Any) -> Vectors:
    """Read a column of vectors: float32[n, dim]."""
    if isinstance(vectors, _arrow.ChunkedArray):
        vectors = vectors.combine_chunks()
    return vectors.flatten().to_numpy().reshape(len(vectors), vectors.type.list_size)
