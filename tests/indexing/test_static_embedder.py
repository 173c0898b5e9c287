"""A static embedder: what it distils, what its folder refuses, and that a snapshot refuses another."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from indexing.distillation import FEWEST_TEXTS, distil
from indexing.embedder import Embedder
from indexing.embedding_cache import CachedEmbedder
from indexing.errors import EmbedderError
from indexing.sentence import load_embedder
from indexing.snapshot import Snapshot, build
from indexing.static_embedder import MANIFEST, TABLE, TOKENIZER, open_static, read_static_manifest
from indexing.world import World
from tests.indexing.conftest import NOW
from tests.indexing.distilled import TEXTS, cosines, distil_small, small_tokenizer

UNREAD = ("second hand violin bow as a gift", "garden spade", "music stand for a guitar")


@pytest.fixture(scope="module")
def folder(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static") / "embedder"
    distil_small(embedder).save(folder)
    return folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "copy")


def test_it_comes_near_its_teacher_also_on_texts_it_has_not_read(folder: Path, embedder: Embedder) -> None:
    static = open_static(folder)
    assert cosines(static, embedder, TEXTS) > 0.95
    assert cosines(static, embedder, UNREAD) > 0.75
    metrics = read_static_manifest(folder).metrics
    assert metrics["held_out_cosine"] > metrics["held_out_cosine_of_prior"] + 0.05


def test_a_seed_distils_the_same_table_and_another_text_another(embedder: Embedder, tmp_path: Path) -> None:
    first, again = distil_small(embedder), distil_small(embedder)
    assert np.array_equal(first.table, again.table)
    assert first.save(tmp_path / "a").digest == again.save(tmp_path / "b").digest
    other = distil([*TEXTS, "oboe with a piano"], embedder, small_tokenizer())
    assert other.save(tmp_path / "c").digest != read_static_manifest(tmp_path / "a").digest


def test_fewer_dimensions_keep_what_is_near_what(embedder: Embedder, tmp_path: Path) -> None:
    whole = distil_small(embedder).embedder()
    distil_small(embedder, dim=24).save(tmp_path / "small")
    small = load_embedder(str(tmp_path / "small"))
    assert small.dim == 24
    assert small.encode(TEXTS).shape == (len(TEXTS), 24)
    ours, theirs = (each.encode(TEXTS) @ each.encode(TEXTS).T for each in (small, whole))
    assert np.abs(ours - theirs).mean() < 0.05


@pytest.mark.parametrize("dim", [0, -1, 385])
def test_dimensions_that_cannot_be_are_refused(embedder: Embedder, dim: int) -> None:
    with pytest.raises(EmbedderError, match=f"of {dim} dimensions cannot be made: use 1 to 384"):
        distil_small(embedder, dim=dim)


def test_too_few_texts_are_refused(embedder: Embedder) -> None:
    with pytest.raises(EmbedderError, match=f"2 distinct texts are too few.*at least {FEWEST_TEXTS}"):
        distil(["drum", "piano", "drum", "", " "], embedder, small_tokenizer())


def test_nothing_known_is_encoded_like_nothing(folder: Path) -> None:
    static = open_static(folder)
    empty, unknown, half = static.encode(["", "園芸", "\ud800"])
    assert np.array_equal(empty, unknown)
    assert np.linalg.norm(half) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", [TABLE, TOKENIZER])
def test_one_flipped_bit_is_refused_with_the_files_name(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(EmbedderError, match=f"{name} is not the file that was distilled"):
        load_embedder(str(copy))


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / TOKENIZER).unlink()
    with pytest.raises(EmbedderError, match=f"{TOKENIZER} is not the file.*missing"):
        load_embedder(str(copy))


def test_a_file_that_does_not_belong_is_refused(copy: Path) -> None:
    (copy / "modeling.py").write_text("import os")
    with pytest.raises(EmbedderError, match=r"holds 'modeling\.py'"):
        load_embedder(str(copy))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 99}, "has the format version 99"),
        ({"code": "x"}, "describes no static embedder"),
        ({"dim": 7}, "is no table of shape"),
        ({"files": {}}, "expected none"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copy: Path, change: dict[str, object], said: str) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps({**manifest, **change}))
    with pytest.raises(EmbedderError, match=said):
        load_embedder(str(copy))


def test_a_folder_is_never_written_over(folder: Path, embedder: Embedder) -> None:
    with pytest.raises(EmbedderError, match="exists already"):
        distil_small(embedder).save(folder)
    assert open_static(folder).dim == 384


def test_no_cache_is_put_before_it(folder: Path, tmp_path: Path) -> None:
    assert not isinstance(load_embedder(str(folder), tmp_path), CachedEmbedder)


def test_a_snapshot_of_another_embedder_is_refused_until_rebuilt(
    folder: Path, world: World, snapshot: Snapshot, embedder: Embedder, tmp_path: Path
) -> None:
    static = load_embedder(str(folder))
    with pytest.raises(EmbedderError, match=r"digest 53aa51172d142c89.*static-.*rebuild the snapshot"):
        snapshot.check_embedder(static)
    rebuilt = build(world, static, tmp_path / "static", now=NOW, previous=snapshot)
    rebuilt.check_embedder(static)
    assert rebuilt.manifest.encoded == snapshot.manifest.encoded
    with pytest.raises(EmbedderError, match="rebuild the snapshot"):
        rebuilt.check_embedder(embedder)
