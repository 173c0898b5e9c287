"""Reading the archive: what is left out, what is summed, what is one story, and that no story leaks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.datasets.upworthy import (
    FILE,
    NAME,
    HeadlineTests,
    folds,
    headline_key,
    read_headline_tests,
    require_apart,
)
from eval.errors import DatasetError
from tests.eval.headline_world import made_up

HEADER = (
    "clickability_test_id,headline,lede,excerpt,impressions,clicks,significance,winner,first_place,"
    "test_week,eyecatcher_id,randomisation_suspect"
)


def package(test: int, headline: str, image: str = "", suspect: int = 0, shown: int = 1000) -> str:
    return f'{test:024x},"{headline}",,,{shown},10,50.0,0,0,201420,{image},{suspect}'


def written(folder: Path, *packages: str, name: str = "tests.csv") -> Path:
    file = folder / name
    file.write_text("\n".join([HEADER, *packages, ""]))
    return file


def story_of(tests: HeadlineTests) -> dict[str, int]:
    return dict(zip(tests.texts, tests.stories.tolist(), strict=True))


def test_packages_with_one_headline_are_summed_and_suspect_ones_left_out(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        package(1, "A &amp; B", shown=100),
        package(1, "A &amp; B", shown=200),
        package(1, "C"),
        package(2, "D", suspect=1),
    )
    tests = read_headline_tests([file])
    assert tests.texts == ("A & B", "C")
    assert tests.impressions.tolist() == [300, 1000]
    assert tests.clicks.tolist() == [20, 10]
    assert any("1 packages left out" in note for note in tests.notes)


def test_tests_that_share_a_headline_or_an_image_or_a_link_between_are_one_story(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        package(1, "What he did, next!"),
        package(2, "what he did next", image="i1"),
        package(3, "Another", image="i1"),
        package(4, "Alone", image="i2"),
        package(5, "Alone too"),
    )
    stories = story_of(read_headline_tests([file]))
    assert stories["What he did, next!"] == stories["what he did next"] == stories["Another"]
    assert len({stories["Another"], stories["Alone"], stories["Alone too"]}) == 3


def test_a_winner_no_test_bears_out_is_counted_as_doubtful(tmp_path: Path) -> None:
    def one(test: int, headline: str, clicks: int, winner: int) -> str:
        return f'{test:024x},"{headline}",,,1000,{clicks},50.0,{winner},0,201420,,0'

    file = written(
        tmp_path,
        *(one(1, "Clear", 60, 1), one(1, "Beaten", 20, 0), one(1, "Far behind", 2, 0)),
        *(one(2, "Lucky", 31, 1), one(2, "Level", 30, 0), one(2, "Far behind too", 2, 0)),
        one(3, "Without rival", 50, 1),
    )
    tests = read_headline_tests([file])
    assert (tests.declared, tests.doubtful) == (2, 1)


def test_stories_reach_across_files(tmp_path: Path) -> None:
    first = written(tmp_path, package(1, "One"), package(1, "Two"), name="a.csv")
    second = written(tmp_path, package(2, "ONE."), package(2, "Three"), package(3, "Four"), name="b.csv")
    tests = read_headline_tests([first, second])
    stories = story_of(tests)
    assert tests.files.tolist() == [0, 0, 1, 1, 1]
    assert stories["Three"] == stories["One"] != stories["Four"]


def test_a_file_of_suspect_tests_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no test in it was randomised"):
        read_headline_tests([written(tmp_path, package(1, "A", suspect=1))])


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("headline,clicks\nA,3\n")
    with pytest.raises(DatasetError, match="impressions"):
        read_headline_tests([file])


@given(st.integers(2, 6), st.integers(0, 10**6), st.integers(6, 40))
def test_a_story_is_wholly_in_one_fold(n: int, seed: int, tests: int) -> None:
    world = made_up(tests, seed=0, packages=2)
    stories = np.random.default_rng(seed).integers(0, tests, len(world)) if tests > 20 else world.stories
    world = HeadlineTests(**{**{f: getattr(world, f) for f in world.__struct_fields__}, "stories": stories})
    if len(np.unique(stories)) < n:
        return
    dealt = folds(world, n=n, seed=seed)
    assert all(len(set(dealt[stories == story].tolist())) == 1 for story in np.unique(stories))
    sizes = np.bincount([int(dealt[stories == story][0]) for story in np.unique(stories)], minlength=n)
    assert sizes.max() - sizes.min() <= 1


def test_a_split_that_leaks_a_story_is_refused() -> None:
    world = made_up(10, seed=1)
    learnt = np.arange(len(world)) % 2 == 0  # every test is on both sides
    with pytest.raises(DatasetError, match="the split leaks: 10 stories"):
        require_apart(world, learnt, ~learnt)
    require_apart(world, world.stories < 5, world.stories >= 5)


def test_a_split_that_leaks_a_headline_is_refused_whatever_its_stories_say() -> None:
    world = made_up(4, seed=1, packages=2)
    texts = (*world.texts[:-1], world.texts[0].upper() + "!!")
    world = HeadlineTests(**{**{f: getattr(world, f) for f in world.__struct_fields__}, "texts": texts})
    with pytest.raises(DatasetError, match="1 headlines are both"):
        require_apart(world, world.stories < 2, world.stories >= 2)


def test_keys_ignore_case_punctuation_and_entities() -> None:
    assert headline_key("He Said &quot;No&quot; -- Twice!") == headline_key("he said no  twice")


def test_the_folds_of_the_archive_share_no_story_and_no_headline(shared_data: Path) -> None:
    tests = read_headline_tests([shared_data / NAME / FILE])
    assert (len(tests), len(np.unique(tests.tests)), len(np.unique(tests.stories))) == (8614, 3044, 2406)
    assert tests.doubtful / tests.declared > 0.9
    dealt = folds(tests, n=5, seed=1)
    for fold in range(5):
        require_apart(tests, dealt != fold, dealt == fold)
    by_test = tests.tests % 5  # a split that knows only of tests leaks
    with pytest.raises(DatasetError, match="leaks"):
        require_apart(tests, by_test != 0, by_test == 0)
