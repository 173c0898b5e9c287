"""Fixtures of the indexing tests: the real encoder, loaded once, and one small snapshot."""

from datetime import UTC, datetime

import pytest

from indexing.embedder import Embedder
from indexing.sentence import load_embedder
from indexing.snapshot import Snapshot, build
from indexing.world import World
from tests.indexing.small_world import make_world

NOW = datetime(2026, 6, 2, tzinfo=UTC)


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return load_embedder("offline", tmp_path_factory.mktemp("encodings"))


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def snapshot(world: World, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return build(world, embedder, tmp_path_factory.mktemp("shelf") / "snapshot", now=NOW)
