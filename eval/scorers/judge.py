"""A language model's opinion of copy: whether it keeps to the facts. Optional, repeated, and never a gate.

Copy passes or fails by the rules alone; a judge's score has no weight in the ranking, and says how far the
judge agrees with itself.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations

import msgspec

from eval.scorers.copy_text import whole
from eval.scorers.registry import Answer
from prompts.brief import Brief
from prompts.engine import Ask, Engine
from prompts.errors import EngineError, OutputError
from prompts.judging import Preference, Verdict, ask_preference, ask_verdict, read_preference, read_verdict
from prompts.variant import Score, Unscored, Variant

VERDICT, PREFERENCE = "judge", "judge_preference"
MOST_COMPARED = 6
"""Texts that are compared pair by pair; of more, none are: pairs grow with the square."""
MOST_REPEATS = 5


class _Pair(msgspec.Struct, frozen=True):
    """One comparison of two variants, asked in both orders."""

    first: int
    second: int
    winner: int | None
    """None where the judge saw no difference, or named another text when the order was swapped."""
    same_in_both: bool
    reason: str


def asks_of(variants: int, repeats: int) -> int:
    """Count what a judge is asked for so many texts."""
    pairs = variants * (variants - 1) // 2 if variants <= MOST_COMPARED else 0
    return repeats * (variants + 2 * pairs)


async def judge(
    brief: Brief, variants: Sequence[Variant], engine: Engine, *, repeats: int = 3, seed: int = 0
) -> list[tuple[Answer, ...]]:
    """Ask an instruct model about each text alone, and about each two of up to six in both orders.

    `judge` is the share of readable answers that call the text faithful (passed: more than half), with the
    statements they quote as unsupported, where these stand in the copy, and their reasons as evidence.
    `judge_preference` is the share of comparisons won, a tie and a judge that changes its mind with the order
    counting half. Both say how often the judge agrees with itself.

    When it lies: a model prefers its own kind of prose, the first or the longer text, and what sounds true;
    swapping the order takes out the place alone (L. Zheng and others, "Judging LLM-as-a-judge with MT-Bench
    and Chatbot Arena", NeurIPS 2023). Hostile copy may still talk it round. The embedded engine cannot judge,
    and says so. One answer tuple per variant, in order; an engine that fails leaves a reason, never an error.
    """
    if engine.info.dialect == "pocket":
        reason = (
            f"the embedded engine {engine.info.model!r} writes and cannot judge: "
            "point PITCHWRIGHT_ENGINE_URL at an instruct model"
        )
        return [(Unscored(name=VERDICT, reason=reason),) for _ in variants]
    read = [place for place, variant in enumerate(variants) if variant.fields]
    pairs = list(combinations(read, 2)) if len(read) <= MOST_COMPARED else []
    # Rendering reads the prompt's file and is CPU work, so not on the event loop.
    asks = await asyncio.to_thread(_asks, brief, variants, read, pairs, repeats, seed)
    try:
        answers = [answer.text for answer in await engine.generate(asks)] if asks else []
    except EngineError as error:
        reason = f"the judge did not answer: {error}"
        return [(Unscored(name=VERDICT, reason=reason, failed=True),) for _ in variants]
    told = len(read) * repeats
    alone = {place: answers[at * repeats : (at + 1) * repeats] for at, place in enumerate(read)}
    compared = _compared(pairs, answers[told:], repeats)
    return [
        (_verdict(variant, alone.get(place, [])), *_preference(place, compared, len(pairs) * repeats))
        for place, variant in enumerate(variants)
    ]


def _asks(
    brief: Brief,
    variants: Sequence[Variant],
    read: Sequence[int],
    pairs: Sequence[tuple[int, int]],
    repeats: int,
    seed: int,
) -> list[Ask]:
    """Give each text's questions, then each pair's, every time in both orders, one after the other."""
    asks = [
        ask_verdict(brief, variants[place].fields, _seed(seed, place, turn))
        for place in read
        for turn in range(repeats)
    ]
    for first, second in pairs:
        one, other = variants[first].fields, variants[second].fields
        for turn in range(repeats):
            own = _seed(seed, first, second, turn)
            asks += [ask_preference(brief, one, other, own), ask_preference(brief, other, one, own)]
    return asks


def _seed(*named: int) -> int:
    """Derive a seed of 31 bits."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, named)).encode()).digest()[:4], "big") >> 1


def _verdict(variant: Variant, answers: Sequence[str]) -> Answer:
    verdicts = [verdict for answer in answers if (verdict := _readable(answer)) is not None]
    if not verdicts:
        reason = (
            f"none of the judge's {len(answers)} answers could be read" if answers else "there is no copy"
        )
        return Unscored(name=VERDICT, reason=reason, failed=bool(answers))
    faithful = sum(verdict.faithful for verdict in verdicts)
    copy = " ".join(whole(variant).split()).casefold()
    quoted = [quote for verdict in verdicts for quote in verdict.unsupported]
    standing = dict.fromkeys(quote for quote in quoted if " ".join(quote.split()).casefold() in copy)
    foreign = sum(quote not in standing for quote in quoted)
    said = [
        f"{faithful} of {len(verdicts)} answers call it faithful",
        f"agreement with itself {_agreement(faithful, len(verdicts))}",
    ]
    said += [f"{len(answers) - len(verdicts)} more could not be read"] if len(verdicts) < len(answers) else []
    said += [f"quotes left out since they stand nowhere in the copy: {foreign}"] if foreign else []
    return Score(
        name=VERDICT,
        value=faithful / len(verdicts),
        reason="; ".join(said),
        passed=2 * faithful > len(verdicts),
        evidence=(
            *(f"unsupported: {quote}" for quote in standing),
            *(verdict.reason for verdict in verdicts),
        ),
    )


def _readable(answer: str) -> Verdict | None:
    try:
        return read_verdict(answer)
    except OutputError:
        return None


def _agreement(yes: int, n: int) -> str:
    """Say in how many pairs of answers both say the same; one answer agrees with nothing."""
    pairs = n * (n - 1) // 2
    same = (yes * (yes - 1) + (n - yes) * (n - yes - 1)) // 2
    return f"in {same} of {pairs} pairs" if pairs else "unknown, it was asked once"


def _compared(pairs: Sequence[tuple[int, int]], answers: Sequence[str], repeats: int) -> list[_Pair]:
    found: list[_Pair] = []
    for at, (first, second) in enumerate(pairs):
        for turn in range(repeats):
            place = 2 * (at * repeats + turn)
            try:
                straight, swapped = map(read_preference, answers[place : place + 2])
            except OutputError:
                continue
            winner = _winner(straight, {"first": first, "second": second})
            again = _winner(swapped, {"first": second, "second": first})
            same = winner == again
            found.append(_Pair(first, second, winner if same else None, same, straight.reason))
    return found


def _winner(preference: Preference, places: Mapping[str, int]) -> int | None:
    return places.get(preference.better)


def _preference(place: int, compared: Sequence[_Pair], asked: int) -> tuple[Answer, ...]:
    """Say how a text fared beside the others; nothing where nothing was compared."""
    if not asked:
        return ()
    own = [pair for pair in compared if place in (pair.first, pair.second)]
    if not own:
        reason = "no comparison with this text could be read"
        return (Unscored(name=PREFERENCE, reason=reason, failed=True),)
    points = [0.5 if pair.winner is None else float(pair.winner == place) for pair in own]
    steady = sum(pair.same_in_both for pair in own)
    return (
        Score(
            name=PREFERENCE,
            value=sum(points) / len(points),
            reason=f"preferred in {sum(point == 1 for point in points)} of {len(own)} comparisons; "
            f"the same answer in both orders in {steady} of {len(own)}",
            evidence=tuple(dict.fromkeys(pair.reason for pair in own)),
        ),
    )
