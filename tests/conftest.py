"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The tests never reach for a model hub and never write into a user's folders.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores among them


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets; a test that asks for it is skipped, loudly, where it is absent."""
    folder = Path(os.environ.get("PITCHWRIGHT_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"public data sets not found at {folder}: set PITCHWRIGHT_SHARED_DATA to their folder")
    return folder


@pytest.fixture
def never_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make small indexes search as large ones do: by lists and codes, not by looking at everything."""
    monkeypatch.setattr("indexing.ranked_index._EXACT_BELOW", 0)
