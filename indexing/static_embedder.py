"""A static encoder behind the `Embedder` port: a text's vector is the sum of its tokens' rows of one table.

    v(text) = s / |s|,   s = sum of E[t] over the tokens t of the text, in its order, repeated ones repeatedly

There is no attention, so a text costs its tokenisation and a few additions. `indexing.distillation` makes the
table E. A folder holds three files and nothing else: `static_embedder.json` (what it was distilled from, and
the sha256 of the two others), `table.safetensors` and `tokenizer.json`. No code comes with it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.errors import EmbedderError

MANIFEST = "static_embedder.json"
TABLE = "table.safetensors"
TOKENIZER = "tokenizer.json"
FORMAT_VERSION = 1

_TEXTS_AT_ONCE = 4_096
_FAINTEST = 1e-6
"""A sum shorter than this has no direction: its text is encoded like an empty one."""

_sparse: Any = import_module("scipy.sparse")


class Teacher(msgspec.Struct, frozen=True, kw_only=True):
    """The encoder that was imitated."""

    name: str
    digest: str
    dim: int


class StaticManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a static encoder without opening its table."""

    format_version: int
    name: Annotated[str, msgspec.Meta(min_length=1)]
    dim: Annotated[int, msgspec.Meta(ge=1)]
    teacher: Teacher
    texts: int
    """How many it was distilled from."""
    texts_digest: str
    """Start of the sha256 of those texts, sorted."""
    seed: int
    shrinkage: float
    """See `indexing.distillation`."""
    metrics: dict[str, float]
    files: dict[str, str]
    """File name to sha256: `table.safetensors` and `tokenizer.json`."""

    @property
    def digest(self) -> str:
        """First 16 hex digits of a sha256 over both files: words cut otherwise are other vectors."""
        joined = "\n".join(f"{name} {self.files[name]}" for name in (TABLE, TOKENIZER))
        return hashlib.sha256(joined.encode()).hexdigest()[:16]


class StaticEmbedder:
    """A table of token rows. Safe for threads: nothing in it changes."""

    def __init__(self, *, name: str, digest: str, tokenizer: Any, table: Vectors, empty: Vectors) -> None:
        """Put together what `open_static` opens and checks.

        `tokenizer`: a `tokenizers.Tokenizer`; `table`: float32[n_tokens, dim]; `empty`: float32[dim], unit.
        """
        self._name, self._digest = name, digest
        self._tokenizer = tokenizer
        self._table, self._empty = table, empty

    @property
    def name(self) -> str:
        return self._name

    @property
    def dim(self) -> int:
        return self._table.shape[1]

    @property
    def digest(self) -> str:
        return self._digest

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts into float32[n, dim], unit rows; one without a known token is as good as empty."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = texts[start : start + _TEXTS_AT_ONCE]
            vectors[start : start + len(part)] = count_tokens(self._tokenizer, part) @ self._table
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        silent = lengths < _FAINTEST
        vectors /= np.where(silent, np.float32(1), lengths)[:, None]
        vectors[silent] = self._empty
        return vectors


def count_tokens(tokenizer: Any, texts: Sequence[str]) -> Any:
    """Cut texts into tokens: scipy CSR float32[n_texts, n_tokens] of ones, each text's in its order."""
    whole = [text.encode("utf-8", "replace").decode() for text in texts]  # half a character has no token
    rows = [cut.ids for cut in tokenizer.encode_batch_fast(whole, add_special_tokens=False)]
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    tokens = np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum()))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(rows), tokenizer.get_vocab_size())
    return _sparse.csr_matrix((np.ones(len(tokens), np.float32), tokens, offsets), shape=shape)


def read_tokenizer(path: Path, longest_tokens: int | None = None) -> Any:
    """Open a `tokenizer.json` without padding, cutting at `longest_tokens`; raises `EmbedderError`."""
    tokenizers: Any = import_module("tokenizers")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for a file it cannot read
        raise EmbedderError(f"{path} is no tokenizer this can read: {error}. Name another model.") from None
    tokenizer.no_padding()
    if longest_tokens is not None:
        tokenizer.enable_truncation(longest_tokens)
    return tokenizer


def is_static(folder: Path) -> bool:
    """Whether the folder says it holds a static encoder."""
    return (folder / MANIFEST).is_file()


def open_static(folder: Path) -> StaticEmbedder:
    """Verify a folder's files against its manifest and open them; raises `EmbedderError` naming the file."""
    manifest = read_static_manifest(folder)
    strangers = sorted({path.name for path in folder.iterdir()} - {MANIFEST, TABLE, TOKENIZER})
    if strangers:
        raise EmbedderError(
            f"{folder} holds {strangers[0]!r}, which is no part of a static embedder: remove it, or distil "
            "into a new folder."
        )
    for name in (TABLE, TOKENIZER):
        _require(folder / name, manifest.files.get(name, ""))
    tensors = _load_tensors(folder / TABLE)
    tokenizer = read_tokenizer(folder / TOKENIZER)
    table, empty = tensors.get("table"), tensors.get("empty")
    shape = (tokenizer.get_vocab_size(), manifest.dim)
    if table is None or empty is None or table.shape != shape or empty.shape != (manifest.dim,):
        raise EmbedderError(f"{folder / TABLE} is no table of shape {shape}: distil again.")
    if table.dtype != np.float32 or not (np.isfinite(table).all() and np.isfinite(empty).all()):
        raise EmbedderError(f"{folder / TABLE} holds something else than finite float32: distil again.")
    return StaticEmbedder(
        name=manifest.name, digest=manifest.digest, tokenizer=tokenizer, table=table, empty=empty
    )


def read_static_manifest(folder: Path) -> StaticManifest:
    """Read what a folder says it is; raises `EmbedderError`."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=StaticManifest)
    except (OSError, msgspec.DecodeError) as error:
        raise EmbedderError(f"{path} describes no static embedder: {error}. Distil again.") from None
    if manifest.format_version != FORMAT_VERSION:
        raise EmbedderError(
            f"{path} has the format version {manifest.format_version}, this version reads {FORMAT_VERSION}: "
            "distil again, or use the version that wrote it."
        )
    return manifest


def write_static(
    folder: Path, manifest: StaticManifest, *, tokenizer: Any, table: Vectors, empty: Vectors
) -> StaticManifest:
    """Write an encoder into `folder`, which must not exist; nothing half-written is ever seen there.

    The manifest's `files` are filled in here. Raises `EmbedderError` when the folder is taken or the disk
    fails.
    """
    if folder.exists():
        raise EmbedderError(f"{folder} exists already: an embedder never changes, name a new folder.")
    tensors: Any = import_module("safetensors.numpy")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise EmbedderError(f"{folder} cannot be made ({error.strerror}): name another folder.") from None
    try:
        tensors.save_file({"table": np.ascontiguousarray(table), "empty": empty}, partial / TABLE)
        tokenizer.save(str(partial / TOKENIZER))
        files = {name: _sha256(partial / name) for name in (TABLE, TOKENIZER)}
        manifest = msgspec.structs.replace(manifest, files=files)
        (partial / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        partial.chmod(0o755)
        (partial / TABLE).chmod(0o644)  # the library makes it for the owner alone
        partial.rename(folder)
    except OSError as error:
        raise EmbedderError(
            f"{folder} cannot be written ({error.strerror}): free space or name another."
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _load_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    tensors: Any = import_module("safetensors.numpy")
    try:
        return tensors.load_file(path)
    except Exception as error:  # the library raises its own error, and others for a strange dtype
        raise EmbedderError(f"{path} cannot be read: {error}. Distil again.") from None


def _require(path: Path, expected: str) -> None:
    found = _sha256(path) if path.is_file() else "missing"
    if found != expected:
        raise EmbedderError(
            f"{path} is not the file that was distilled: its sha256 is {found}, expected "
            f"{expected or 'none'}. Copy it again, or distil again."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
