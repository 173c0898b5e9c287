"""`kill -9` at any point of a build: what was published stays readable, and nothing partial is seen."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexing.shelf import SnapshotShelf
from indexing.snapshot import open_snapshot
from tests.indexing.build_server import KEEP

KILLED = -9
POINTS_IN_TIME = 100
EXACT_POINTS = [
    *(("array", number) for number in (0, 3, 9)),
    ("manifest", 0),
    *(("flush", number) for number in (0, 5, 15, 25)),
    ("publish", 0),
    *(("rename", number) for number in (0, 1)),  # publishing, then sweeping an old version
]


class BuildServer:
    """Has builds done, and killed, by another process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def order(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def build(self) -> float:
        """Build undisturbed; give its seconds."""
        answer = self.order()
        assert answer["status"] == 0
        return answer["seconds"]


@contextmanager
def build_server(folder: Path) -> Iterator[BuildServer]:
    command = [sys.executable, "-m", "tests.indexing.build_server", str(folder)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **threads},
        cwd=Path(__file__).parents[2],
    ) as process:
        yield BuildServer(process)
        assert process.stdin is not None
        process.stdin.close()


def check(folder: Path, before: tuple[str, ...]) -> tuple[str, ...]:
    """Open everything that is listed; what was newest is there still, and at most one version is new."""
    shelf = SnapshotShelf(folder)
    listed = shelf.list()
    for version in listed:
        snapshot = open_snapshot(folder / version)
        assert snapshot.manifest.version == version
        assert snapshot.profiles.height == snapshot.manifest.counts.profiles
    assert before[-1] in listed
    assert len(set(listed) - set(before)) <= 1
    assert shelf.latest().version == listed[-1]
    return listed


@pytest.mark.slow
def test_a_build_killed_at_any_of_a_hundred_moments_harms_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(20261122)
    with build_server(tmp_path) as server:
        lasts = float(np.median([server.build() for _ in range(5)]))
        listed = SnapshotShelf(tmp_path).list()
        left, killed = 0, 0
        while killed < POINTS_IN_TIME:
            moment = lasts * rng.random()
            if server.order(after_seconds=moment)["status"] != KILLED:
                lasts *= 0.95  # it was quicker than its time: the machine has less to do than before
                listed = check(tmp_path, listed)
                continue
            killed += 1
            left += bool(list(tmp_path.glob(".partial-*")))
            listed = check(tmp_path, listed)
            if killed % 5 == 0:
                lasts = (lasts + server.build()) / 2
                assert not list(tmp_path.glob(".partial-*"))
                listed = check(tmp_path, listed[-1:])
    assert left >= POINTS_IN_TIME * 0.4  # else nothing was killed where it could hurt


@pytest.mark.slow
def test_a_build_killed_right_before_a_step_harms_nothing(tmp_path: Path) -> None:
    with build_server(tmp_path) as server:
        for _ in range(KEEP):
            server.build()
        for point, number in EXACT_POINTS:
            before = SnapshotShelf(tmp_path).list()
            assert server.order(at=point, number=number)["status"] == KILLED, (point, number)
            after = check(tmp_path, before)
            assert len(after) == KEEP + ((point, number) == ("rename", 1))
            server.build()
            assert check(tmp_path, after[-1:])[-1] > after[-1]
            assert not list(tmp_path.glob(".partial-*"))
            assert len(SnapshotShelf(tmp_path).list()) == KEEP
