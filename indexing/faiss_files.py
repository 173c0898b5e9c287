"""The files of a FAISS index: the index itself, its row numbers, and how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import msgspec
import numpy as np

from indexing.errors import SnapshotCorrupt
from indexing.index import IndexInfo, Rows

_faiss: Any = faiss


def write_index(index: Any, rows: Rows, path: Path, info: IndexInfo | None = None) -> None:
    """Write `path`, its row numbers and, where given, how it was made, beside it; raises `OSError`."""
    try:
        _faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(f"cannot write {path.name}: {error}") from error
    np.save(_rows_path(path), rows, allow_pickle=False)
    if info is not None:
        _info_path(path).write_bytes(msgspec.json.format(msgspec.json.encode(info), indent=1) + b"\n")


def read_index(path: Path) -> tuple[Any, Rows, IndexInfo | None]:
    """Read what `write_index` wrote, mapping what can be; raises `SnapshotCorrupt` naming the file."""
    try:
        index = _faiss.read_index(str(path), _faiss.IO_FLAG_MMAP_IFC)
    except (RuntimeError, MemoryError, OSError) as error:
        raise _refuse(path) from error
    try:
        rows = np.load(_rows_path(path), mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise _refuse(_rows_path(path)) from error
    if rows.dtype != np.int64 or rows.shape != (int(index.ntotal),):
        raise _refuse(_rows_path(path))
    return index, rows, _read_info(_info_path(path))


def _read_info(path: Path) -> IndexInfo | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=IndexInfo)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _refuse(path) from error


def _refuse(path: Path) -> SnapshotCorrupt:
    return SnapshotCorrupt(f"{path.name} is not an index this version reads: rebuild the snapshot.")


def _rows_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.rows.npy")


def _info_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.index.json")
