"""The headline proxy that ships: what it answers, when it does not know, and what it refuses to load."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from eval.errors import ProxyError
from eval.proxies.headline.encoder import Encoder, pooled
from eval.proxies.headline.learning import Recipe, learn
from eval.proxies.headline.model import MANIFEST, SHIPPED, WEIGHTS, HeadlineProxy
from eval.proxies.headline.pairs import make_pairs
from eval.proxies.headline.surface import NAMES, surface
from indexing.sentence import load_embedder
from tests.eval.headline_world import made_up

HEADLINES = (
    "She Asked Her Class One Question. The Answers Will Stay With You For A Long Time.",
    "Teachers ask their class a question about the future",
    "A school in Ohio tried something new with its lunch menu this year",
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.open()


@pytest.fixture(scope="module")
def proxy(encoder: Encoder) -> HeadlineProxy:
    return HeadlineProxy.load(SHIPPED, encoder)


def test_what_ships_is_small_and_met_its_goals_out_of_fold(proxy: HeadlineProxy) -> None:
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 12_000_000
    figures = {entry.name: entry for entry in proxy.manifest.figures}
    assert [name for name, entry in figures.items() if entry.met is False] == []
    goals = {"headline.all.accuracy", "headline.p05.accuracy", "headline.all.ece", "headline.all.gain.minilm"}
    assert {name for name, entry in figures.items() if entry.goal} == goals
    assert "CC BY 4.0" in proxy.manifest.licence
    assert "2013 to 2015" in proxy.manifest.limits


def test_the_layers_are_the_sentence_encoders_own(encoder: Encoder) -> None:
    states = encoder.read(HEADLINES, 2)
    mine = pooled(encoder.layers(2, encoder.depth), states, np.arange(3))
    mine /= np.linalg.norm(mine, axis=1, keepdims=True)
    np.testing.assert_allclose(mine, load_embedder().encode(HEADLINES), atol=3e-4)


def test_a_text_reads_the_same_in_any_company(proxy: HeadlineProxy) -> None:
    together = proxy.columns(HEADLINES)
    alone = np.concatenate([proxy.columns([text]) for text in HEADLINES])
    np.testing.assert_allclose(together, alone, atol=2e-3)


def test_one_beats_the_other_as_the_other_loses(proxy: HeadlineProxy) -> None:
    first, second = proxy.compare(HEADLINES[:2])
    assert first.p + second.p == pytest.approx(1.0)
    assert first.low + second.high == pytest.approx(1.0)
    assert first.low < first.p < first.high
    assert first.p > 0.5  # told as a story, which that site's readers clicked
    (against,) = proxy.compare([HEADLINES[0]], [HEADLINES[1]])
    assert against.p == pytest.approx(first.p)


def test_contributions_add_up_to_the_probability_and_are_named(proxy: HeadlineProxy) -> None:
    for opinion in [*proxy.compare(HEADLINES), *proxy.compare(HEADLINES, by_word=True)]:
        total = sum(one.value for one in opinion.contributions)
        assert 1 / (1 + math.exp(-total)) == pytest.approx(opinion.p, abs=1e-5)
        sizes = [abs(one.value) for one in opinion.contributions]
        assert sizes == sorted(sizes, reverse=True)
    (worded,) = proxy.compare([HEADLINES[1]], [HEADLINES[2]], by_word=True)
    named = [one.name for one in worded.contributions]
    assert all(f'"{word}"' in named for word in HEADLINES[1].split())
    only = proxy.compare(["Why does bread go stale so soon", "Why does bread go stale so soon?"])[1]
    surface_of_it = {one.name for one in only.contributions}
    assert "question marks" in surface_of_it
    assert "commas" not in surface_of_it


def test_utilities_are_log_rates_of_texts_it_knows(proxy: HeadlineProxy) -> None:
    stranger = "Ein ganz anderer Satz, den hier leider niemand lesen und verstehen kann"
    said = proxy.utilities([*HEADLINES, stranger])
    calibration = proxy.manifest.calibration
    assert said.mean[3] == 0
    assert said.sd[3] == calibration.spread > calibration.residual == said.sd[0]
    assert said.mean[:3].sum() == pytest.approx(0, abs=1e-9)
    assert said.mean[0] > said.mean[1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Buy now", "fewer than 3 words"),
        ("", "fewer than 3 words"),
        ("word " * 20_000, "100,000 characters"),
        ("Diese Überschrift ist auf Deutsch geschrieben und niemand hier versteht sie", "not English but"),
        ("这是一个关于面包为什么变硬以及有什么帮助的标题 这是一个 关于 面包", "not English but"),
    ],
)
def test_it_says_what_it_does_not_know(proxy: HeadlineProxy, text: str, why: str) -> None:
    opinion, other = proxy.compare([text, HEADLINES[0]])
    assert not opinion.known
    assert why in opinion.why_not
    assert other.known  # about the other one it still has an opinion, of the texts it can read


def test_nothing_to_compare_with_is_refused(proxy: HeadlineProxy) -> None:
    for texts, others in (([HEADLINES[0]], None), ([HEADLINES[0]], [])):
        with pytest.raises(ProxyError, match="nothing to compare with"):
            proxy.compare(texts, others)


def test_saved_and_loaded_it_answers_the_same(proxy: HeadlineProxy, encoder: Encoder, tmp_path: Path) -> None:
    proxy.save(tmp_path)
    again = HeadlineProxy.load(tmp_path, encoder)
    assert again.compare(HEADLINES) == proxy.compare(HEADLINES)
    assert (tmp_path / WEIGHTS).read_bytes() == (SHIPPED / WEIGHTS).read_bytes()


def changed(folder: Path, **changes: object) -> Path:
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changes))
    return folder


def test_an_artefact_of_another_encoder_format_or_kind_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    for number, (changes, said) in enumerate(
        [
            ({"encoder": "f" * 64}, "was made for the encoder ffffffffffffffff"),
            ({"format": 99}, "has format 99"),
            ({"surface": list(NAMES[1:])}, "other surface features"),
            ({"unknown": 1}, "does not load"),
        ]
    ):
        with pytest.raises(ProxyError, match=said):
            HeadlineProxy.load(changed(tmp_path / str(number), **changes), encoder)


def test_a_damaged_or_missing_artefact_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(ProxyError, match="pitchwright eval proxy train"):
        HeadlineProxy.load(tmp_path / "nowhere", encoder)
    folder = changed(tmp_path / "cut")
    (folder / WEIGHTS).write_bytes((SHIPPED / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(ProxyError, match="does not load"):
        HeadlineProxy.load(folder, encoder)


def test_learning_finds_what_made_people_click_and_repeats_itself(encoder: Encoder) -> None:
    world = made_up(60, seed=11)
    pairs = make_pairs(world)
    states, seen = encoder.read(world.texts, 3), surface(world.texts)
    recipe = Recipe(lower=3, upper=4, epochs=1)
    learnt, again = (learn(encoder, states, seen, pairs, recipe, seed=3) for _ in range(2))
    assert (learnt.weights == again.weights).all()
    fresh = made_up(30, seed=12)
    new = learnt.columns(encoder.read(fresh.texts, 3), surface(fresh.texts), np.arange(len(fresh)))
    test = make_pairs(fresh)
    utility = new @ learnt.weights
    clear = test.p < 0.01
    assert ((utility[test.left] > utility[test.right]) == test.won)[clear].mean() > 0.9
