"""The model that ships: what its card says of it, what it writes, and the commands that measure it."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.llm.known_words import FILE
from service.llm.load import POCKET_FOLDER, POCKET_NOTE
from service.llm.pocket import variety
from service.llm.pocket.commands import CARD_SEED, main
from service.llm.pocket.lexicon import load_lexicon
from service.llm.pocket.recipe import Recipe
from service.llm.pocket.samples import write_samples
from service.llm.pocket.training import read_progress

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "tests" / "golden" / "pocket_samples.md"


def test_the_committed_model_is_small_and_is_what_its_card_says() -> None:
    weights = POCKET_FOLDER / "model.safetensors"
    card = (POCKET_FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert sum(file.stat().st_size for file in POCKET_FOLDER.iterdir()) <= 16 * 2**20
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card
    assert load_lexicon().digest in card
    assert f"evaluate --briefs 600 --seed {CARD_SEED}`" in card
    progress = read_progress(POCKET_FOLDER)
    assert f"{progress.loss:.4f}" in card
    assert progress.lexicon == load_lexicon().digest
    assert progress.before is not None
    assert progress.before.recipe == Recipe()
    assert progress.recipe.base is not None
    assert progress.recipe.base in card


def test_the_words_beside_the_weights_are_those_of_the_phrase_files() -> None:
    listed = (POCKET_FOLDER / FILE).read_text(encoding="utf-8").split()
    assert listed == load_lexicon().words()
    assert {"don't", "fromthekitchen", "gardeners", "..."} <= set(listed)
    assert not {"product", "benefit_1"} & set(listed)


@pytest.mark.parametrize("file", ["README.md", "service/llm/pocket/model/MODEL_CARD.md"])
def test_it_says_what_it_is_and_how_to_use_another(file: str) -> None:
    text = " ".join((ROOT / file).read_text(encoding="utf-8").split())
    assert "demonstration model" in text
    assert "trained from scratch on synthetic copy" in text
    assert "PITCHWRIGHT_ENGINE_URL" in text
    assert "demonstration model, trained from scratch on synthetic copy, English only" in POCKET_NOTE


def test_its_samples_are_what_a_reader_read() -> None:
    written = write_samples(POCKET_FOLDER, each=10, seed=0)
    if os.environ.get("UPDATE_GOLDEN"):
        SAMPLES.write_text(written, encoding="utf-8")
    known = SAMPLES.read_text(encoding="utf-8")
    assert (
        written.count("\n> ") == known.count("\n> ") or written.split("\n## ")[0] == known.split("\n## ")[0]
    )
    same = sum(one == two for one, two in zip(_texts(written), _texts(known), strict=False))
    # Another processor rounds otherwise, so that a near tie may fall either way and lead to another text.
    assert same >= 0.9 * len(_texts(known))


def _texts(samples: str) -> list[str]:
    return samples.split("\n\n")


def test_evaluate_prints_figures_and_fails_on_a_missed_goal(tmp_path: Path) -> None:
    missing = CliRunner().invoke(main, ["evaluate", "--model", str(tmp_path)])
    assert missing.exit_code == 3
    assert str(tmp_path) in missing.stderr


@pytest.mark.slow
def test_evaluate_measures_the_committed_model(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variety, "DRAFTS", 12)
    monkeypatch.setattr(variety, "PER_TONE", 5)
    done = CliRunner().invoke(main, ["evaluate", "--json", "--briefs", "60", "--data", str(shared_data)])
    report = json.loads(done.stdout)
    assert done.exit_code == (0 if all(one["met"] is not False for one in report["figures"]) else 1)
    figures = {one["name"]: one for one in report["figures"]}
    assert figures["pocket.training.held_out_found"]["value"] == 0
    assert figures["pocket.json.constrained"]["value"] == 1
    for name in ("facts", "nothing_invented", "limits", "json", "audience", "fit", "tone", "stage"):
        for mode in ("greedy", "sampled"):
            assert figures[f"pocket.{name}.{mode}"]["value"] > 0.5, name
    assert figures["pocket.gift_cards.facts.greedy"]["n"] == 805
    assert figures["pocket.online_retail.facts.greedy"]["n"] == 300
    assert figures["pocket.drafts.facts"]["n"] == 12 * variety.PER_DRAFT
    assert figures["pocket.distinct2.one_brief"]["value"] > figures["pocket.distinct2.independent"]["value"]
    for one in report["figures"]:
        assert one["low"] is None or one["low"] <= one["value"] <= one["high"] + 1e-9


@pytest.mark.parametrize("command", ["train", "prefer", "evaluate", "speed", "samples", "phrases"])
def test_commands_show_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert f"python -m service.llm.pocket {command}" in shown.stdout
