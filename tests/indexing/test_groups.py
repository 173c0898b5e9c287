"""Groups as proposals: names, definitions that select the same profiles, the map."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from indexing.audience import evaluate
from indexing.clustering import Grouping, discover
from indexing.definition import parse_definition, to_json
from indexing.errors import GroupingError
from indexing.group_map import DOTS_PER_INCH, INCHES, draw_map, principal_plane
from indexing.groups import LONGEST_NAME, Group, free_name, propose, standing
from indexing.snapshot import Snapshot


@pytest.fixture(scope="module")
def grouping(snapshot: Snapshot) -> Grouping:
    return discover(snapshot.tastes, snapshot.item_vectors, max_k=4)


@pytest.fixture(scope="module")
def groups(snapshot: Snapshot, grouping: Grouping) -> tuple[Group, ...]:
    return propose(grouping, snapshot)


def test_the_two_kinds_of_people_are_found_named_and_described(
    groups: tuple[Group, ...], grouping: Grouping
) -> None:
    assert grouping.clear
    assert {group.name for group in groups} == {"garden", "music"}
    for group in groups:
        assert group.standing == "stable"
        assert group.description.interest == group.name
        assert group.size == group.description.size
    assert sum(group.size for group in groups) + grouping.without == groups[0].description.population


def test_a_definition_selects_nearly_the_group_and_says_how_nearly(
    snapshot: Snapshot, groups: tuple[Group, ...], grouping: Grouping
) -> None:
    for place, group in enumerate(groups):
        assert parse_definition(to_json(group.definition)) == group.definition
        members = evaluate(group.definition, snapshot, None).rows
        rows = grouping.rows[grouping.labels == place]
        both = len(np.intersect1d(members, rows))
        assert group.overlap == pytest.approx(both / (len(members) + len(rows) - both), abs=1e-4)
        assert group.overlap > 0.9


def test_names_are_short_and_no_two_are_equal(snapshot: Snapshot) -> None:
    found = propose(discover(snapshot.tastes, snapshot.item_vectors, k=9), snapshot)
    names = [group.name.casefold() for group in found]
    assert len(set(names)) == len(found)
    assert all(len(name) <= LONGEST_NAME + 3 for name in names)
    assert free_name("Tea", ["tea", "TEA 2"]) == "Tea 3"


def test_a_groups_standing_follows_its_stability() -> None:
    assert [standing(value) for value in (0.9, 0.75, 0.74, 0.6, 0.59, 0.0)] == [
        *("stable", "stable", "pattern", "pattern", "doubtful", "doubtful")
    ]


def test_without_a_text_nothing_can_stand_for_a_group(snapshot: Snapshot, grouping: Grouping) -> None:
    class Wordless:
        def __getattr__(self, name: str) -> object:
            return np.zeros_like(snapshot.item_vectors) if name == "item_vectors" else getattr(snapshot, name)

    with pytest.raises(GroupingError, match="no item has a text"):
        propose(grouping, Wordless())  # pyright: ignore[reportArgumentType] - a snapshot but for its vectors


def test_the_plane_shows_the_greatest_variance_and_says_how_much() -> None:
    rng = np.random.default_rng(0)
    points = (rng.standard_normal((4000, 3)) * [3.0, 2.0, 1.0]) @ np.linalg.qr(rng.standard_normal((3, 3)))[0]
    places, shares = principal_plane(points.astype(np.float32))
    np.testing.assert_allclose(shares, [9 / 14, 4 / 14], atol=0.02)
    np.testing.assert_allclose(places.std(axis=0), [3, 2], rtol=0.05)


@pytest.mark.parametrize("k", [1, pytest.param(9, marks=pytest.mark.slow)])
def test_the_map_is_a_whole_picture(snapshot: Snapshot, tmp_path: Path, k: int) -> None:
    path = tmp_path / "map.png"
    found = discover(snapshot.tastes, snapshot.item_vectors, k=k)
    draw_map(
        found,
        snapshot.tastes,
        snapshot.item_vectors,
        [f"group $x_{place}$ of {k}" for place in range(k)],
        path,
    )
    width, height, pixels = read_png(path.read_bytes())
    assert (width, height) == tuple(round(side * DOTS_PER_INCH) for side in INCHES)
    assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 3 * k


def read_png(data: bytes) -> tuple[int, int, np.ndarray]:
    """Decode enough of a PNG to see that it is whole: size and filtered bytes, each chunk's checksum."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, packed, size = 8, b"", (0, 0)
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length :][:4])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        packed += body if kind == b"IDAT" else b""
        place += 12 + length
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(size[1], 1 + 4 * size[0])
    return *size, rows[:, 1:].copy()
