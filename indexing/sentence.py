"""sentence-transformers behind the `Embedder` port, and the ways to load a model."""

from __future__ import annotations

from pathlib import Path

from indexing.embedder import Embedder


def load_embedder(name: str = "auto", cache_folder: Path | None = None) -> Embedder:
    """Load a sentence encoder.

    `name` is `auto` (the offline package when installed, else all-MiniLM-L6-v2 from the hub),
    `offline` (the package), a folder, or a hub name. With a `cache_folder` encodings are kept there on
    disk. Raises `EmbedderError` saying what to install or point at.
    """
    raise NotImplementedError
