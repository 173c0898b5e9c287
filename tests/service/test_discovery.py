"""Discovery on the demo world by the command line: planted interests, the map, segments that are kept."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from eval.datasets.demo_world import INTERESTS, generate, write
from service.cli import cli
from service.console import Usage

SMALL = {"items": 100, "profiles": 600, "events": 12_000}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("discovery")
    mapping = write(generate(3, **SMALL), folder / "files")
    run(folder, "import", str(folder / "files"), "--mapping", str(mapping))
    run(folder, "index", "build")
    return folder


def run(folder: Path, *arguments: str) -> Result:
    environment = {"PITCHWRIGHT_EMBEDDER": "offline"}
    return CliRunner().invoke(
        cli, ["--data-dir", str(folder / "var"), *arguments], env=environment, catch_exceptions=False
    )


@pytest.mark.slow
def test_planted_interests_are_found_drawn_and_kept(shop: Path) -> None:
    from sklearn.metrics import adjusted_mutual_info_score

    drawing = shop / "groups.png"
    answer: dict[str, Any] = json.loads(
        run(shop, "segment", "discover", "--k", "12", "--plot", str(drawing), "--save", "--json").stdout
    )
    groups, saved = answer["discovery"]["groups"], answer["saved"]
    assert len(groups) == len(saved) == 12
    assert drawing.stat().st_size > 20_000
    assert drawing.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert {segment["name"] for segment in json.loads(run(shop, "segment", "list", "--json").stdout)} == {
        group["name"] for group in groups
    }
    group_of: dict[str, int] = {}
    for place, (group, kept) in enumerate(zip(groups, saved, strict=True)):
        assert kept["overlap"] == pytest.approx(group["overlap"], abs=2e-4)
        assert len(group["description"]["sentences"]) == 2
        page = run(shop, "segment", "members", group["name"], "--all", "--json")
        group_of |= {member["profile_id"]: place for member in json.loads(page.stdout)["members"]}
    truth = generate(3, **SMALL).truth.profiles
    main = [INTERESTS.index(truth[profile][0]) for profile in group_of]
    found = adjusted_mutual_info_score(main, list(group_of.values()))
    chance = adjusted_mutual_info_score(main, np.random.default_rng(0).integers(0, 12, len(main)))
    print(f"adjusted mutual information with the stronger interest: {found:.3f}, at random {chance:.3f}")
    assert found > 0.25
    again = json.loads(run(shop, "segment", "discover", "--k", "12", "--json").stdout)
    assert again["discovery"] == answer["discovery"]


@pytest.mark.slow
def test_the_table_names_the_groups_and_says_what_to_think_of_them(shop: Path) -> None:
    few = run(shop, "segment", "discover", "--max-k", "2", "--json")
    assert json.loads(few.stdout)["discovery"]["limited"] is True
    assert "2 groups are the most tried with --max-k 2; allow more with --max-k, up to 100." in few.stderr
    result = run(shop, "segment", "discover", "--k", "3")
    assert "--max-k" not in result.stderr
    assert "overlap" in result.stdout
    assert "two halves of the profiles agree" in result.stdout
    with pytest.raises(Usage, match="make it first"):
        run(shop, "segment", "discover", "--plot", str(shop / "nowhere" / "map.png"))
