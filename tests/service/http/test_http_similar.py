"""Scores beside similar headlines that were tested, where a server was given such tests."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli import invoke
from tests.eval.test_upworthy import HEADER
from tests.service.http.shop import Shop, client_of

BODY: dict[str, Any] = {
    "texts": ["Why a baker sings to his bread each morning", "Count the birds in your garden"],
    "control": "The river froze last night",
    "similar": 2,
}


def package(test: int, headline: str, clicks: int, shown: int = 2000) -> str:
    return f'{test:024x},"{headline}",,,{shown},{clicks},50.0,0,0,201420,,0'


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "tests.csv"
    rows = (
        package(1, "Why this baker sings to his bread every morning", 100),
        package(1, "A baker and his bread", 40),
        package(2, "She counted the birds in her garden for ten years", 30),
        package(2, "Ten years of birds, counted in one garden", 31),
        package(3, "This one had no rival", 31),
        f'{4:024x},"More clicks than people",,,10,20,50.0,0,0,201420,,0',
    )
    file.write_text("\n".join([HEADER, *rows, ""]))
    return file


async def asked_until_read(client: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    """Ask until the tests are read; give the first reason why there was none, and the answer."""
    first = ""
    for _ in range(200):
        answer = (await client.post("/v1/score", json=BODY)).raise_for_status().json()
        if not answer["similar_missing"]:
            return first, answer
        first = first or answer["similar_missing"]
        await asyncio.sleep(0.02)
    raise AssertionError(f"still not read: {first}")


async def test_scores_stand_at_once_and_similar_headlines_once_they_are_read(shop: Shop, archive: Path):
    settings = shop.settings(headline_tests=str(archive))
    async with client_of(settings, shop.keys["default/copy"]) as client:
        first, answer = await asked_until_read(client)
        plain = (await client.post("/v1/score", json={"texts": BODY["texts"]})).json()
    assert first == "the headline tests are being read (0 so far): ask again in a minute"
    texts = {text["number"]: text for text in [*answer["texts"], answer["control"]]}
    bread, other = texts[1]["similar"]
    assert (bread["text"], bread["fate"]) == ("Why this baker sings to his bread every morning", "won")
    assert (bread["impressions"], bread["click_rate"], bread["others_click_rate"]) == (2000, 0.05, 0.02)
    assert bread["gain"] == pytest.approx(0.03)
    assert 0 < bread["low"] < bread["gain"] < bread["high"]
    assert other["fate"] == "lost"
    assert bread["similarity"] > other["similarity"]
    assert {one["fate"] for one in texts[2]["similar"]} == {"undecided"}
    assert len(texts[0]["similar"]) == 2
    assert [text["similar"] for text in plain["texts"]] == [[], []]
    assert plain["similar_missing"] == ""


async def test_a_server_without_tests_says_so_and_scores(client: httpx.AsyncClient):
    answer = (await client.post("/v1/score", json=BODY)).raise_for_status().json()
    assert "PITCHWRIGHT_HEADLINE_TESTS names no file" in answer["similar_missing"]
    assert [text["similar"] for text in answer["texts"]] == [[], []]
    assert answer["texts"][0]["copy"]["scores"]
    for wrong in (-1, 11):
        response = await client.post("/v1/score", json={"texts": ["a"], "similar": wrong})
        assert response.status_code == 400
        assert f"similar is {wrong}: ask for 0 to 10" in response.json()["detail"]


async def test_a_file_that_broke_since_the_start_is_told_with_its_reason(shop: Shop, tmp_path: Path):
    settings = shop.settings(headline_tests=str(tmp_path / "gone.csv"))
    async with client_of(settings, shop.keys["default/copy"]) as client:
        answer = (await client.post("/v1/score", json=BODY)).raise_for_status().json()
        assert "being read" in answer["similar_missing"]
        for _ in range(200):
            answer = (await client.post("/v1/score", json=BODY)).json()
            if "being read" not in answer["similar_missing"]:
                break
    assert "gone.csv" in answer["similar_missing"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a,b\n1,2\n", "has other columns"),
        ("", "is empty"),
        (f"{HEADER}\n{package(1, 'Alone', 3)}\n", "no test compares two headlines"),
    ],
)
def test_another_file_is_refused_at_the_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
    told: str,
):
    file = tmp_path / "tests.csv"
    file.write_text(content)
    monkeypatch.setenv("PITCHWRIGHT_HEADLINE_TESTS", str(file))
    assert invoke(["--data-dir", str(tmp_path / "var"), "serve"]) == 2
    err = capsys.readouterr().err
    assert "PITCHWRIGHT_HEADLINE_TESTS: " in err
    assert told in err


def test_the_command_waits_for_the_tests_and_prints_what_became_of_them(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PITCHWRIGHT_HEADLINE_TESTS", str(archive))
    command = ["--data-dir", str(tmp_path / "var"), "score", BODY["texts"][0], "--similar", "1"]
    assert invoke(command) == 0
    captured = capsys.readouterr()
    out = " ".join(captured.out.split())
    assert "“Why this baker sings to his bread every morning” won: 5.00% of 2,000 clicked, 2.00% on" in out
    assert "reading tested headlines: 4 done" in captured.err
    assert "set aside" in captured.err
    monkeypatch.delenv("PITCHWRIGHT_HEADLINE_TESTS")
    assert invoke(command) == 0
    assert "No similar headlines: this server has no headline tests" in capsys.readouterr().err
