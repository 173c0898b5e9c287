import random
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.brand import Brand, ClaimsPolicy, Disclaimer, Policy
from prompts.brief import Offer, Product
from prompts.channels import CHANNELS
from prompts.checks.duplicates import NEAR, likeness, near, nearest
from prompts.checks.rules import RULES, passes, run_checks, warnings
from prompts.variant import Fields, Finding
from tests.prompts.briefs import CLEAN, GREETING, brief, changed
from tests.prompts.broken_copy import BROKEN, GLOSSARY, bare, body

README = Path(__file__).resolve().parents[2] / "prompts" / "README.md"


def findings(channel: str, fields: Fields, rule: str, **changes: Any) -> list[Finding]:
    return [
        finding
        for check in run_checks(brief(channel, **changes), fields)
        for finding in check.findings
        if check.rule == rule
    ]


@pytest.mark.parametrize(("rule", "channel", "fields", "changes", "quoted"), BROKEN)
def test_a_rule_finds_what_breaks_it(
    rule: str, channel: str, fields: Fields, changes: dict[str, Any], quoted: str
) -> None:
    found = findings(channel, fields, rule, **changes)
    assert quoted in " / ".join(finding.reason for finding in found)
    severity = {entry.id: entry.severity for entry in RULES}[rule]
    if rule not in {"tags.unasked", "words.banned"}:
        assert {finding.severity for finding in found} == {severity}


@pytest.mark.parametrize("channel", CHANNELS)
def test_clean_copy_passes_every_rule_without_a_warning(channel: str) -> None:
    checks = run_checks(brief(channel), CLEAN[channel])
    assert [finding.reason for check in checks for finding in check.findings] == []
    assert [check.rule for check in checks] == [rule.id for rule in RULES]
    assert passes(checks)
    assert warnings(checks) == 0


def test_every_rule_has_an_example_that_breaks_it_and_stands_in_the_readme() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert set(ids) == {case[0] for case in BROKEN}
    table = README.read_text()
    assert [
        rule.id for rule in RULES if f"| `{rule.id}` | {rule.severity} | {rule.wants} |" not in table
    ] == []


def test_an_error_keeps_a_variant_from_passing_and_a_warning_does_not() -> None:
    assert not passes(run_checks(brief(), body("Save 20%.")))
    warned = run_checks(brief(), body("Selling fast."))
    assert passes(warned)
    assert warnings(warned) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Fifteen per cent off.",
        "It is 30 cm tall.",
        "Just thirty centimetres tall.",
        "Yours for £24.",
        "Only 24 pounds.",
        "Guaranteed for 2 years.",
        "One of those little things, one day at a time.",
        "You may march on.",
        "Feel free to reply. A carefree, frost-free spring.",
        "Treat yourself. Your best season yet.",
        "A one-off treat.",
        "Order twice, why not? Half of it is joy.",
        "Second to nothing on your sill.",
        "It's a keeper; the rest is history.",
        "Say hello at the table: product, place, joy.",
        "What a saucer!",
        "April is close. See you on the 30th of April.",
    ],
)
def test_what_the_brief_gave_or_everybody_says_is_no_finding(text: str) -> None:
    checks = run_checks(brief(), body(text))
    assert [finding.reason for check in checks for finding in check.findings] == []


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Vitamin B12 500 ml", "Vitamin B12 500 ml is here."),
        ("WHITE HANGING HEART T-LIGHT HOLDER", "A white hanging heart T-light holder for the hall."),
        ("Quill & Co.", "Meet Quill & Co."),
        ("Children’s Mug", "A Children's Mug for tea."),
        ("Cheap Trick Vinyl", "Cheap Trick Vinyl spins."),
        ("tea.com Sampler", "Try the tea.com Sampler."),
        ("Best-Selling Sunday Roast Tin", "The Best-Selling Sunday Roast Tin."),
    ],
)
def test_a_title_is_a_fact_whatever_it_says(title: str, text: str) -> None:
    named = brief(product=Product(id="1", title=title), offer=None)
    checks = run_checks(named, {"subject": "News", "preheader": "A look", "body": text, "cta": "See it"})
    assert [finding for check in checks for finding in check.findings if finding.severity == "error"] == []


def test_a_banned_word_inside_a_fact_is_a_warning() -> None:
    product = Product(id="1", title="Cheap Trick Vinyl")
    found = findings("email", bare("Cheap Trick Vinyl"), "words.banned", product=product, offer=None)
    assert [finding.severity for finding in found] == ["warning"]


def test_spans_point_at_what_is_quoted_behind_a_merge_tag() -> None:
    text = f"Hi {GREETING}, save 20% today."
    found = findings("push", changed("push", title=text), "invented.percent", personalise=True)
    assert [finding.field for finding in found] == ["title"]
    assert found[0].span is not None
    assert text[slice(*found[0].span)] == "20%"


def test_a_promise_the_offer_makes_may_be_repeated() -> None:
    offer = Offer(text="free shipping")
    checks = run_checks(brief(offer=offer), bare("Free shipping. Fernhill Stoneware Planter, drainage hole."))
    assert passes(checks)


def test_a_list_field_is_named_with_its_index() -> None:
    found = findings("search", changed("search", headlines=["a", "Save 20%", "c"]), "invented.percent")
    assert [finding.field for finding in found] == ["headlines[1]"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_breaks_a_check_and_every_span_lies_in_its_text(first: str, second: str) -> None:
    fields: Fields = {"title": first, "body": second}
    for check in run_checks(brief("push", product=Product(id="1", title=second or "x")), fields):
        for finding in check.findings:
            if finding.field and finding.span:
                start, end = finding.span
                assert 0 <= start <= end <= len(fields[finding.field])


@pytest.mark.parametrize(
    ("described", "text"),
    [
        ("It holds 0.9 litres.", "It holds 900 ml."),
        ("It weighs 1.2 kg.", "All of 1200 grams."),
        ("It is 204 cm wide.", "It is 2.04 m wide."),
        ("It runs two and a half hours.", "It runs 150 minutes."),
        ("It runs two and a half hours.", "It runs 2.5 hours."),
        ("Ready in half an hour.", "Ready in 30 minutes."),
        ("Guaranteed for two years.", "Guaranteed for 24 months."),
        ("It fits the X20.", "Two X20s fit in a drawer."),
        ("It lasts 90 minutes.", "It lasts an hour and a half."),
        ("Open on 1 December.", "Open on 01/12/2026."),
        ("Open on 13 December.", "Open on 12/13/2026."),
        ("From 10 am.", "Doors open a little before 10 a.m. on the day."),
        ("It weighs 400 g.", "It weighs under half a kilo."),
    ],
)
def test_the_same_amount_in_another_unit_is_given(described: str, text: str) -> None:
    product = Product(id="1", title="Fernhill Planter", description=described)
    checks = run_checks(brief(product=product, offer=None), bare(f"Fernhill Planter. {text}"))
    assert [finding.reason for check in checks for finding in check.findings] == []


@pytest.mark.parametrize(
    ("rule", "described", "text"),
    [
        ("invented.number", "From four small gardens.", "Ready in four minutes."),
        ("invented.number", "It holds 0.9 litres.", "It holds 90 ml."),
        ("invented.number", "It runs two and a half hours.", "It runs two hours."),
        ("claims.guarantee", "Guaranteed for two years.", "Your joy is guaranteed."),
        ("claims.guarantee", "Guaranteed for two years.", "Guaranteed for ten years."),
        ("invented.code", "Made by Fern.", "Use code FERN."),
        ("invented.code", "Made by Fern.", "Type SPLASH at the checkout."),
        ("invented.code", "Made by Fern.", "Your code: FERN-2026."),
        ("invented.number", "It lasts an hour.", "It lasts an hour and a half."),
        ("invented.number", "It is small.", "Seen from half a mile away."),
        ("invented.number", "It is small.", "A dozen in each box."),
        ("invented.number", "It is small.", "Nine out of ten gardeners."),
        ("invented.price", "It is small.", "Just 32p a day."),
        ("invented.percent", "It is small.", "Now at half the price."),
        ("invented.date", "Open on 1 December.", "Open on 02/12/2026."),
        ("invented.date", "It is small.", "Delivered before Christmas."),
        ("invented.date", "From 5 pm.", "Order by 5 p.m. tomorrow."),
    ],
)
def test_a_number_or_word_of_the_brief_gives_nothing_else(rule: str, described: str, text: str) -> None:
    product = Product(id="1", title="Fernhill Planter", description=described)
    assert findings("email", bare(text), rule, product=product, offer=None)


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("sweat", "Bring a sweater.", False),
        ("sweat", "No sweating.", True),
        ("grin", "The daily grind.", False),
        ("grin", "Grinning all the way.", True),
        ("sweater", "Two sweaters.", True),
        ("ass", "A classy Assam.", False),
        ("luxury", "Little luxuries.", True),
    ],
)
def test_an_inflection_is_the_banned_word_and_a_longer_word_is_not(word: str, text: str, found: bool) -> None:
    assert bool(findings("email", body(text), "words.banned", brand=Brand(banned_words=(word,)))) == found


@pytest.mark.parametrize(("policy", "severity"), [("allow", None), ("warn", "warning"), ("forbid", "error")])
@pytest.mark.parametrize(
    ("topic", "rule", "text"),
    [
        ("guarantees", "claims.guarantee", "Risk-free growing."),
        ("health", "claims.health", "It relieves anxiety."),
        ("finance", "claims.finance", "It pays for itself."),
        ("superlatives", "claims.superlative", "The #1 planter."),
        ("proof", "claims.proof", "Loved by gardeners."),
        ("urgency", "claims.scarcity", "Selling fast."),
        ("free", "claims.free", "The saucer is free."),
    ],
)
def test_the_brands_policy_decides_how_a_claim_is_taken(
    topic: str, rule: str, text: str, policy: Policy, severity: str | None
) -> None:
    brand = Brand(claims=msgspec.convert({topic: policy}, ClaimsPolicy))
    found = findings("email", body(text), rule, brand=brand)
    assert {finding.severity for finding in found} == ({severity} if severity else set())


def test_the_default_policy_is_what_the_rules_say() -> None:
    topics = {
        "guarantee": "guarantees",
        "superlative": "superlatives",
        "scarcity": "urgency",
    }
    for rule in RULES:
        family, _, name = rule.id.partition(".")
        if family == "claims":
            policy = getattr(ClaimsPolicy(), topics.get(name, name))
            assert policy == {"error": "forbid", "warning": "warn"}[rule.severity]


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("https://fernhill.example/planter", True),
        ("https://fernhill-pots.example/care?x=1", True),
        ("https://help.fernhill-pots.example", True),
        ("www.fernhill-pots.example/care", True),
        ("HTTPS://FERNHILL-POTS.EXAMPLE/", True),
        ("https://fernhill-pots.example.evil.com", False),
        ("https://notfernhill-pots.example", False),
        ("https://fernhill-pots.example@evil.example", False),
        ("https://evil.example/fernhill-pots.example", False),
        ("ftp://fernhill-pots.example/a", False),
        ("https://[fernhill-pots.example/", False),
        ("https://fernhill.example/other", False),
    ],
)
def test_addresses_lead_to_the_brands_domains_or_the_briefs_link(address: str, fine: bool) -> None:
    brand = Brand(allowed_domains=("fernhill-pots.example",))
    assert (findings("email", body(f"See {address} now."), "links.foreign", brand=brand) == []) == fine


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("personal.card", "Order 4111 1111 1111 1112 is on its way."),
        ("personal.card", "Batch 0000 0000 0000 0000."),
        ("personal.account", "Made to GB29 NWBK 6016 1331 9268 18."),
        ("personal.identity", "Model GB 12 34 56 C."),
        ("personal.phone", "To GB29 NWBK 6016 1331 9268 19."),
        ("personal.email", "At https://shop.example@evil.example now."),
        ("words.profane", "Scunthorpe, shiitake, cockerels, assorted passes and a scrap of class."),
        ("claims.free", "A scandal free room, hands free, break free, free time, fragrance-free."),
        ("brand.glossary", "A planter, spotless, on the spot."),
        ("language.other", "Café, crème, Gemütlichkeit."),
        ("style.readability", "Unquestionably incomprehensible."),
    ],
)
def test_what_only_resembles_a_violation_is_none(rule: str, text: str) -> None:
    assert findings("email", body(text), rule, **GLOSSARY) == []


def test_a_disclaimer_belongs_to_its_channels_and_is_never_held_against_the_copy() -> None:
    said = Disclaimer(text="Free for 30 days, results guaranteed.", channels=("email",))
    brand = Brand(disclaimers=(said,))
    checks = run_checks(brief(brand=brand), body("Free for 30 days, results guaranteed."))
    assert [finding.reason for check in checks for finding in check.findings] == []
    assert findings("push", CLEAN["push"], "brand.disclaimer", brand=brand) == []


def test_the_language_is_the_briefs() -> None:
    german = bare("Dieser Topf übersteht jeden Winter, denn er hat eine frostsichere Glasur.")
    assert findings("email", german, "language.other", language="de-AT", offer=None) == []
    assert findings("email", german, "language.other", language="fr", offer=None)
    assert findings("email", german, "language.other", language="tlh", offer=None) == []


def test_near_duplicates_share_their_words_and_facts_do_not_count() -> None:
    asked = brief("push")
    one = changed("push", title="Room for one more pot on the balcony this spring?")
    assert likeness(asked, one, one) == 1
    almost = changed("push", title="Room for one more pot on your balcony this spring?")
    other: Fields = {
        "title": "The frost is over, the soil is warm",
        "body": "Fernhill Stoneware Planter is here: 15% off, GROW15, until 30 April. With a drainage hole.",
    }
    assert 0.9 < likeness(asked, one, almost) < 1
    assert likeness(asked, one, other) < 0.6
    assert nearest(asked, one, [other, almost]) == (1, likeness(asked, one, almost))
    assert nearest(asked, one, []) is None
    alike = likeness(asked, one, almost)
    assert near(asked, [one, other], [other, almost, almost]) == [(1, alike), (0, 1.0)]
    assert near(asked, [one, other], []) == [None, None]


def test_what_is_near_by_the_quick_look_is_what_is_near_in_full() -> None:
    asked, chance = brief("push"), random.Random(3)
    words = [
        "room",
        "pot",
        "spring",
        "balcony",
        "frost",
        "warm",
        "soil",
        "light",
        "hand",
        "grow",
        "root",
        "leaf",
    ]
    title = asked.product.title
    words += [title, f"{title}'s", f"root's {title}", "{{ first_name | default: 'you' }}", "leaf_light"]
    texts: list[Fields] = [{"title": " ".join(chance.choices(words, k=12)), "body": ""} for _ in range(30)]
    for text in tuple(texts):
        changed_words = str(text["title"]).split()
        for _ in range(chance.randrange(4)):
            changed_words[chance.randrange(len(changed_words))] = chance.choice(words)
        texts.append({"title": " ".join(changed_words), "body": ""})
    found = near(asked, texts[30:], texts[:30])
    in_full = [nearest(asked, text, texts[:30]) for text in texts[30:]]
    assert found == [each if each is not None and each[1] >= NEAR else None for each in in_full]
    assert any(found)
    assert not all(found)


@pytest.mark.parametrize(
    "piece", ["a", " free", "x@", "guarantee ", "w'w", "12 34-", "half an hour ", "[insert "]
)
def test_checks_take_time_in_proportion_to_the_text(piece: str) -> None:
    text = (piece * 50_000)[:50_000]
    started = time.process_time()
    run_checks(brief(), changed("email", body=text))
    assert time.process_time() - started < 10  # half a second; a quadratic pattern takes minutes


def test_rule_ids_are_dotted_lower_case() -> None:
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+", rule.id) for rule in RULES)


def test_a_brief_says_what_its_piece_must_and_must_not_say() -> None:
    wished = brief(
        "email",
        must_say=("Sown by hand since 1981.",),
        must_not_say=("plastic",),
        keywords=("balcony", "glaze"),
    )
    body = str(CLEAN["email"]["body"])
    kept = CLEAN["email"] | {"body": f"{body} Sown by hand since 1981. A glaze for any balcony."}
    found = {check.rule: check for check in run_checks(wished, kept)}
    assert not found["words.required"].findings
    assert not found["invented.number"].findings, "what must be said is given"
    lost = {check.rule: check for check in run_checks(wished, CLEAN["email"])}
    assert not lost["words.required"].passed
    assert [finding.severity for finding in lost["words.required"].findings].count("error") == 1
    broken = CLEAN["email"] | {"body": f"{kept['body']} No plastics here."}
    assert not {check.rule: check for check in run_checks(wished, broken)}["words.banned"].passed
