"""Encodings kept on disk by text digest, so that an unchanged text is never encoded twice.

One file per encoder, `<digest of its weights>.vectors`: records of one size, appended and never
changed. A record is 16 bytes of the text's digest, float32[dim], and a CRC-32 of both. A tail that a
crash left half-written is cut before the next record is appended; a record whose CRC is wrong is as
good as absent. What is known of the file in memory is of bounded size (`MOST_KNOWN`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexing.embedder import Embedder, Vectors

CHUNK_TEXTS = 1_024
"""Texts encoded before they are written, so that a killed build keeps what it had."""

MOST_KNOWN = 4_000_000
"""Newest records of a file that are known: 16 bytes of memory each. An older text is encoded again."""

RECENT = 8_192
"""Records told apart by a dictionary before they are sorted in with the others."""

_KEY_BYTES = 16
_CRC_BYTES = 4


class CachedEmbedder:
    """An `Embedder` in front of another that remembers what it encoded. Safe for threads and processes."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self._embedder = embedder
        self._path = folder / f"{embedder.digest}.vectors"
        self._record_bytes = _KEY_BYTES + 4 * embedder.dim + _CRC_BYTES
        self._lock = threading.Lock()
        self._known = _Places()
        self._read_bytes = 0

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dim(self) -> int:
        return self._embedder.dim

    @property
    def digest(self) -> str:
        return self._embedder.digest

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Read what is known, encode the rest once each, remember it."""
        if not len(texts):
            return np.zeros((0, self.dim), np.float32)
        keys = [_key(text) for text in texts]
        with self._lock:
            self._refresh()
            vectors = self._read(keys)
        missing = {key: text for key, text, row in zip(keys, texts, vectors, strict=True) if np.isnan(row[0])}
        found: dict[bytes, Vectors] = {}
        waiting = sorted(missing.items(), key=lambda pair: (len(pair[1]), pair[1]))
        for start in range(0, len(waiting), CHUNK_TEXTS):
            part = waiting[start : start + CHUNK_TEXTS]
            encoded = self._embedder.encode([text for _, text in part])
            with self._lock:
                self._append([key for key, _ in part], encoded)
            found.update(zip((key for key, _ in part), encoded, strict=True))
        for place, key in enumerate(keys):
            if key in found:
                vectors[place] = found[key]
        return vectors

    def _refresh(self) -> None:
        """Learn the records that were appended since, here or by another process."""
        if not self._path.exists():
            self._known, self._read_bytes = _Places(), 0
            return
        whole = self._path.stat().st_size // self._record_bytes * self._record_bytes
        if whole < self._read_bytes:
            self._known, self._read_bytes = _Places(), 0
        if whole == self._read_bytes:
            return
        records = np.memmap(self._path, np.uint8, "r")[:whole].reshape(-1, self._record_bytes)
        first = self._read_bytes // self._record_bytes
        self._known.add(first, records[first:, :_KEY_BYTES].tobytes())
        self._read_bytes = whole

    def _read(self, keys: Sequence[bytes]) -> Vectors:
        """float32[n, dim] with a row of NaN for each key that is unknown or whose record is damaged."""
        vectors = np.full((len(keys), self.dim), np.nan, np.float32)
        if not self._read_bytes:
            return vectors
        records = np.memmap(self._path, np.uint8, "r")[: self._read_bytes].reshape(-1, self._record_bytes)
        for place, (key, number) in enumerate(zip(keys, self._known.find(keys), strict=True)):
            if number < 0:
                continue
            record = records[number].tobytes()
            whole = zlib.crc32(record[:-_CRC_BYTES]) == int.from_bytes(record[-_CRC_BYTES:], "little")
            if whole and record[:_KEY_BYTES] == key:
                vectors[place] = np.frombuffer(record[_KEY_BYTES:-_CRC_BYTES], np.float32)
        return vectors

    def _append(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        bodies = (key + row.astype("<f4").tobytes() for key, row in zip(keys, vectors, strict=True))
        data = b"".join(body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little") for body in bodies)
        with self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed, also by a kill
            size = os.fstat(file.fileno()).st_size
            if size % self._record_bytes:
                file.truncate(size // self._record_bytes * self._record_bytes)
            # Not forced to the disk: what a power cut takes is encoded again.
            file.write(data)


class _Places:
    """Where each key's newest record lies, in a few bytes: by half of the key, which its record holds whole.

    Of two keys with equal halves the newer is found; the other is as good as absent.
    """

    def __init__(self) -> None:
        self._recent: dict[bytes, int] = {}
        self._halves = np.zeros(0, np.uint64)
        """Sorted, each once; `_numbers` says whose."""
        self._numbers = np.zeros(0, np.int64)

    def add(self, first: int, keys: bytes) -> None:
        """Know the records numbered from `first`, by their keys one after the other."""
        count = len(keys) // _KEY_BYTES
        if count + len(self._recent) <= RECENT:
            for number in range(count):
                self._recent[keys[number * _KEY_BYTES : (number + 1) * _KEY_BYTES]] = first + number
            return
        self._sort_in(b"".join(self._recent), np.fromiter(self._recent.values(), np.int64))
        self._recent = {}
        self._sort_in(keys, np.arange(first, first + count))
        kept = self._numbers >= first + count - MOST_KNOWN
        self._halves, self._numbers = self._halves[kept], self._numbers[kept]

    def find(self, keys: Sequence[bytes]) -> list[int]:
        """Return each key's record by number, -1 for one that is not known."""
        found = np.full(len(keys), -1)
        if len(self._halves):
            halves = _halves(b"".join(keys))
            places = np.minimum(np.searchsorted(self._halves, halves), len(self._halves) - 1)
            found = np.where(self._halves[places] == halves, self._numbers[places], found)
        return [self._recent.get(key, int(number)) for key, number in zip(keys, found, strict=True)]

    def _sort_in(self, keys: bytes, numbers: npt.NDArray[np.int64]) -> None:
        halves = np.concatenate([self._halves, _halves(keys)])
        numbers = np.concatenate([self._numbers, numbers])
        order = np.argsort(halves, kind="stable")
        halves, numbers = halves[order], numbers[order]
        last = np.append(halves[1:] != halves[:-1], True)[: len(halves)]
        self._halves, self._numbers = halves[last], numbers[last]


def _halves(keys: bytes) -> npt.NDArray[np.uint64]:
    return np.frombuffer(keys, np.uint64)[:: _KEY_BYTES // 8]


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()
