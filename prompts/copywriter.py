"""Writing: a brief becomes a draft of checked variants, through whatever engine there is.

Each variant is asked for, parsed, its fact slots filled, then checked. An answer that is malformed, fails a
check, repeats another variant or runs over a soft length is asked for again with another seed, a bounded
number of times, in the full dialect with its faults named; of the attempts the best is kept and says honestly
what it is. Nothing is trimmed or mended.

A brief's pending variants travel together, and a batch is several briefs' worth of them, so a draft depends
on its own brief alone: the same brief, template, engine and seed give the same draft, in whatever company.
"""

import asyncio
import hashlib
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal

import msgspec

from prompts import merge_tags
from prompts.brand import Brand, version
from prompts.brief import Brief, texts_of
from prompts.brief_limits import validate
from prompts.catalog import Catalog, Template
from prompts.channels import find_channel
from prompts.checks.duplicates import NEAR, nearest, signature
from prompts.checks.language import detector_loaded, load_detector
from prompts.checks.rules import passes, run_checks, warnings
from prompts.correction import corrected
from prompts.engine import Answer, Ask, Dialect, Engine, EngineInfo, Message, OnText
from prompts.errors import LanguageError, OutputError, SlotError
from prompts.output import parse, schema
from prompts.readers import ASSUMED, Readers
from prompts.render import render, shows_examples
from prompts.rewriting import check_engine, keep, rewrite_checks
from prompts.slots import clean, escape_facts, escape_quoted, fact_slots, fill, given_slots
from prompts.variant import CheckResult, Fields, Finding, Provenance, Variant

ATTEMPTS = 3
BATCH = 32
"""Asks sent to the engine at once."""
BATCHES_IN_FLIGHT = 2
"""Batches under way at once, so that a server has work while answers are read."""
TEMPERATURES: Mapping[Dialect, float] = {"full": 0.7, "pocket": 1.0}
"""The pocket model's own settings leave out unlikely tokens, so heat reaches only the choice among lines."""

OUTPUT_RULE = "output.parse"
"""The check a malformed variant failed: its answer is not the channel's JSON, or names an unknown slot."""
SLIPS_RULE = "output.words"
"""The check that a variant holds nothing its engine was never taught: half a word, two run together, `,,`."""
DISTINCT_RULE = "duplicates.variants"
"""The check that a variant says something the draft's others do not."""
NEAR_RULE = "duplicates.near"
"""The check that a variant is more than another of the draft with a word or two changed; it only warns."""

OnVariant = Callable[[int, int, Variant], None]
"""Called with the brief's index, the variant's index in it, and a variant that is final."""

OnPiece = Callable[[int, int, int, str], None]
"""Called with the brief's index, the variant's in it, the attempt from 0, and a piece of its answer."""


class _Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, judged."""

    status: Literal["passed", "failed", "malformed"]
    fields: Fields
    checks: tuple[CheckResult, ...]
    raw: str | None
    seed: int
    answer: str
    """What the engine wrote, word for word."""

    @property
    def worth(self) -> tuple[int, int, int]:
        """How attempts compare, the least first: what passes, then what fits, then fewer warnings."""
        too_long = sum(len(check.findings) for check in self.checks if check.rule == "length.soft")
        return ("passed", "failed", "malformed").index(self.status), too_long, warnings(self.checks)


class _Job:
    """One brief on its way to a draft."""

    def __init__(
        self, index: int, brief: Brief, template: Template, engine: EngineInfo, readers: Readers = ASSUMED
    ) -> None:
        self.index = index
        self.brief = brief
        self.readers = readers
        self.template = template
        self.engine = engine
        self.slots = fact_slots(brief)
        self.examples = tuple(each.source for each in brief.examples) if shows_examples(template) else ()
        # Not the draft to rewrite, nor accepted copy: their merge tags somebody meant.
        told = texts_of(
            (brief.product, brief.offer, brief.audience, brief.brand, brief.must_say, brief.keywords)
        )
        self.given = "\n".join(clean(line) for text in told for line in text.split("\n"))
        self.best: list[_Attempt | None] = [None] * brief.n
        self.last: list[_Attempt | None] = [None] * brief.n
        self.tries = [0] * brief.n
        self.open = list(range(brief.n))

    def asks(self) -> list[Ask]:
        """One ask for each variant that is not final yet."""
        channel, messages = find_channel(self.brief.channel), render(self.template, self.brief)
        slots = given_slots(self.brief) if self.engine.dialect == "pocket" else None
        # The place tells equal briefs of one call apart, the name those of several calls sent as one.
        draft = f"{self.index}/{self.identify(0)}"
        return [
            Ask(
                messages=self.told(variant, messages),
                json_schema=schema(channel.name, slots),
                max_tokens=channel.max_tokens,
                temperature=TEMPERATURES[self.engine.dialect],
                seed=self.seed(variant),
                draft=draft,
            )
            for variant in self.open
        ]

    def told(self, variant: int, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Name the faults of the answer that was refused last, if any, to an engine that can read them."""
        refused = self.last[variant]
        if refused is None or self.engine.dialect != "full":
            return messages
        return corrected(messages, refused.answer, refused.checks)

    def seed(self, variant: int) -> int:
        """Derive a seed of 31 bits for the next attempt at a variant from the brief's own seed."""
        named = f"{self.brief.seed}/{variant}/{self.tries[variant]}".encode()
        return int.from_bytes(hashlib.sha256(named).digest()[:4], "big") >> 1

    def take(self, answers: Sequence[Answer], attempts: int) -> list[int]:
        """Judge one round of answers; gives the variants that became final."""
        final: list[int] = []
        for variant, answer in zip(self.open, answers, strict=True):
            attempt = self.last[variant] = self.judge(variant, answer)
            self.tries[variant] += 1
            best = self.best[variant]
            if best is None or attempt.worth < best.worth:
                self.best[variant] = best = attempt
            if best.worth[:2] == (0, 0) or self.tries[variant] >= attempts:
                final.append(variant)
        self.open = [variant for variant in self.open if variant not in final]
        return final

    def judge(self, variant: int, answer: Answer) -> _Attempt:
        """Parse an answer, fill its slots, hold it against every rule and against the other variants."""
        seed = self.seed(variant)
        try:
            fields = keep(self.brief.rewrite, self.fill(parse(self.brief.channel, answer.text)))
        except (OutputError, SlotError) as error:
            cut = " (the answer was cut off at its token limit)" if answer.finish_reason == "length" else ""
            checks = (_failing(OUTPUT_RULE, f"{error}{cut}"),)
            return _Attempt(
                status="malformed",
                fields={},
                checks=checks,
                raw=answer.text,
                seed=seed,
                answer=answer.text,
            )
        distinct = self.distinct(variant, fields)
        near = self.near(variant, fields) if distinct.passed else CheckResult(rule=NEAR_RULE, passed=True)
        rewritten = rewrite_checks(self.brief, fields, self.readers)
        slipped = (_failing(SLIPS_RULE, _slipped(answer.slips)),) if answer.slips else ()
        checks = (*run_checks(self.brief, fields, self.readers), *rewritten, *slipped, distinct, near)
        status = "passed" if passes(checks) else "failed"
        return _Attempt(status=status, fields=fields, checks=checks, raw=None, seed=seed, answer=answer.text)

    def fill(self, fields: Fields) -> Fields:
        """Put the facts in: slots in the pocket dialect; in the full one they are there, only escaped."""

        def put(text: str) -> str:
            if self.engine.dialect == "pocket":
                return fill(text, self.slots, {"first_name": merge_tags.FIRST_NAME})
            own = escape_facts(text, self.slots.values())
            return escape_quoted(own, self.given, but=merge_tags.FIRST_NAME)

        return {
            name: put(value) if isinstance(value, str) else [put(text) for text in value]
            for name, value in fields.items()
        }

    def distinct(self, variant: int, fields: Fields) -> CheckResult:
        """Whether these fields say something no other variant of the draft says."""
        written = signature(fields)
        for other, fields_of_other in self.passed(variant).items():
            if signature(fields_of_other) == written:
                return _failing(DISTINCT_RULE, f"says the same as variant {other + 1} of this draft")
        return CheckResult(rule=DISTINCT_RULE, passed=True)

    def near(self, variant: int, fields: Fields) -> CheckResult:
        """Whether these fields differ from every other variant's in more than a word or two."""
        others = self.passed(variant)
        found = nearest(self.brief, fields, list(others.values()))
        if found is None or found[1] < NEAR:
            return CheckResult(rule=NEAR_RULE, passed=True)
        other = list(others)[found[0]] + 1
        said = f"says almost the same as variant {other} of this draft ({found[1]:.0%} alike)"
        finding = Finding(rule=NEAR_RULE, severity="warning", field=None, span=None, reason=said)
        return CheckResult(rule=NEAR_RULE, passed=True, findings=(finding,))

    def passed(self, variant: int) -> dict[int, Fields]:
        """List the fields of the draft's other variants that passed, by their place."""
        return {
            place: best.fields
            for place, best in enumerate(self.best)
            if best is not None and place != variant and best.status == "passed"
        }

    def variant(self, index: int, snapshot: str | None) -> Variant:
        """Give the best attempt at a variant, with its provenance."""
        best = self.best[index]
        if best is None:
            raise AssertionError("a variant is only built after an attempt at it")
        return Variant(
            id=self.identify(index),
            status=best.status,
            fields=best.fields,
            checks=best.checks,
            raw=best.raw,
            provenance=Provenance(
                prompt=self.template.name,
                prompt_digest=self.template.digest[:16],
                engine=self.engine.name,
                model=self.engine.model,
                seed=best.seed,
                attempts=self.tries[index],
                snapshot=snapshot,
                brand=version(self.brief.brand) if self.brief.brand != Brand() else None,
                examples=self.examples,
                note=self.engine.note,
            ),
        )

    def identify(self, index: int) -> str:
        """Name a variant after what made it: a UUID from brief, template, engine and place."""
        made_by = msgspec.json.encode(
            (self.brief, self.template.digest, self.engine.name, self.engine.model, index)
        )
        return str(uuid.UUID(bytes=hashlib.sha256(made_by).digest()[:16], version=4))

    def draft(self, snapshot: str | None) -> list[Variant]:
        """Every variant, the best first; equals stay in the order they were asked for."""
        ranked = sorted(
            range(self.brief.n), key=lambda index: best.worth if (best := self.best[index]) else (3, 0, 0)
        )
        return [self.variant(index, snapshot) for index in ranked]


def first_asks(brief: Brief, engine: EngineInfo, catalog: Catalog) -> list[Ask]:
    """Return what `write` asks such an engine first, one ask a variant. Raises as `write` does."""
    return _Job(0, brief, _template(brief, engine, catalog), engine).asks()


async def write(
    brief: Brief,
    engine: Engine,
    catalog: Catalog,
    *,
    attempts: int = ATTEMPTS,
    snapshot: str | None = None,
    readers: Readers = ASSUMED,
    on_variant: Callable[[int, Variant], None] | None = None,
    on_piece: Callable[[int, int, str], None] | None = None,
) -> list[Variant]:
    """Write the draft of one brief: `brief.n` variants, ranked, the failed and malformed ones last.

    `attempts` bounds the asks per variant; `snapshot` is noted in the provenance; merge tags are held
    against `readers`; `on_variant` hears of each variant as it becomes final, with its index; `on_piece`
    hears the raw answers while they are written, with variant and attempt. Raises `BriefError`,
    `LanguageError`, `TemplateError`, the engine's errors.
    """

    def final(_: int, variant: int, written: Variant) -> None:
        if on_variant is not None:
            on_variant(variant, written)

    def piece(_: int, variant: int, attempt: int, text: str) -> None:
        if on_piece is not None:
            on_piece(variant, attempt, text)

    drafts = await write_many(
        [brief],
        engine,
        catalog,
        attempts=attempts,
        snapshot=snapshot,
        readers=readers,
        on_variant=final,
        on_piece=piece if on_piece is not None else None,
    )
    return drafts[0]


async def write_many(
    briefs: Sequence[Brief],
    engine: Engine,
    catalog: Catalog,
    *,
    attempts: int = ATTEMPTS,
    snapshot: str | None = None,
    readers: Readers = ASSUMED,
    on_variant: OnVariant | None = None,
    on_piece: OnPiece | None = None,
    batch: int = BATCH,
) -> list[list[Variant]]:
    """Write the drafts of many briefs, in their order, keeping the engine's batches full.

    Every brief is validated before the first ask. Raises as `write` does; what was heard until then stands.
    """
    if not detector_loaded():
        await asyncio.to_thread(load_detector)
    jobs = [
        _Job(i, brief, _template(brief, engine.info, catalog), engine.info, readers)
        for i, brief in enumerate(briefs)
    ]
    queue = deque(jobs)

    async def work() -> None:
        while taken := _take(queue, batch):
            rounds = [job.asks() for job in taken]
            asks = [ask for asks in rounds for ask in asks]
            answers = iter(await engine.generate(asks, on_text=on_piece and _teller(taken, on_piece)))
            for job, asks in zip(taken, rounds, strict=True):
                for variant in job.take([next(answers) for _ in asks], attempts):
                    if on_variant is not None:
                        on_variant(job.index, variant, job.variant(variant, snapshot))
                if job.open:
                    queue.appendleft(job)
                # Checking is short work, but a batch of it is not: let the loop breathe.
                await asyncio.sleep(0)

    await _together([work() for _ in range(BATCHES_IN_FLIGHT)])
    return [job.draft(snapshot) for job in jobs]


def _teller(jobs: Sequence[_Job], on_piece: OnPiece) -> OnText:
    """Tell the pieces of a round's answers by brief, variant and attempt."""
    names = [(job.index, variant, job.tries[variant]) for job in jobs for variant in job.open]
    return lambda place, text: on_piece(*names[place], text)


def speaks(engine: EngineInfo, language: str) -> bool:
    """Whether an engine was trained on a language; a region does not matter (`en-GB` is `en`)."""
    spoken = {tag.split("-")[0].lower() for tag in engine.languages or ()}
    return engine.languages is None or language.split("-")[0].lower() in spoken


def _template(brief: Brief, engine: EngineInfo, catalog: Catalog) -> Template:
    validate(brief)
    if not speaks(engine, brief.language):
        known = ", ".join(engine.languages or ())
        raise LanguageError(
            f"engine {engine.model!r} was not trained on language {brief.language!r}, only on {known}: "
            "point the engine setting (PITCHWRIGHT_ENGINE_URL) at a model that was"
        )
    if brief.rewrite is not None:
        check_engine(brief.rewrite, engine)
    return catalog.get(brief.channel, engine.dialect)


def _take(queue: deque[_Job], batch: int) -> list[_Job]:
    """Take the next jobs whose open variants fill a batch; one job always fits."""
    taken: list[_Job] = []
    room = batch
    while queue and (not taken or len(queue[0].open) <= room):
        taken.append(queue.popleft())
        room -= len(taken[-1].open)
    return taken


async def _together(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run to the end together; the first error cancels the rest and is raised as itself."""
    tasks = [asyncio.create_task(part) for part in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _slipped(words: Sequence[str]) -> str:
    named = ", ".join(repr(word) for word in words[:3])
    return f"the engine wrote what is no word or mark it was taught: {named}"


def _failing(rule: str, reason: str) -> CheckResult:
    finding = Finding(rule=rule, severity="error", field=None, span=None, reason=reason)
    return CheckResult(rule=rule, passed=False, findings=(finding,))
