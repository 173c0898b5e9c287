"""The rules on who may be written to, held against plain Python."""

from hashlib import blake2b

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.contact.model import Removed
from service.contact.rules import RULES, Lists, apply_rules, held_out

PEOPLE = [f"p{number}" for number in range(12)] + ["É", "p\n", ""]
SOME = st.frozensets(st.sampled_from([*PEOPLE, "stranger"]))
LISTS = st.builds(
    Lists,
    suppressed=SOME,
    words=st.dictionaries(st.sampled_from([*PEOPLE, "stranger"]), st.booleans()),
    capped=SOME,
    opt_in=st.booleans(),
    holdout=st.sampled_from([0.0, 0.1, 0.3, 0.5]),
    key=st.binary(min_size=32, max_size=32),
)


def first_rule(who: str, lists: Lists) -> str | None:
    """The rule that removes one person, as one would read it aloud."""
    lot = int.from_bytes(
        blake2b(who.encode(), digest_size=8, key=lists.key, person=b"holdout").digest(), "big"
    )
    if who in lists.suppressed:
        return "suppressed"
    if lists.words.get(who) is False:
        return "denied"
    if who not in lists.words and lists.opt_in:
        return "no_consent"
    if lot / 2**64 < lists.holdout:
        return "holdout"
    return "frequency_cap" if who in lists.capped else None


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PEOPLE), unique=True), LISTS, SOME)
def test_everybody_is_counted_under_the_first_rule_that_removes_them(
    ids: list[str], lists: Lists, erased: frozenset[str]
):
    found = apply_rules(ids, lists, erased=erased)
    expected = {who: first_rule(who, lists) for who in ids if who not in erased}
    assert [who for who, allowed in zip(ids, found.allowed, strict=True) if allowed] == [
        who for who in ids if who in expected and expected[who] is None
    ]
    assert found.removed == tuple(
        Removed(rule=rule, removed=list(expected.values()).count(rule)) for rule in RULES
    )
    assert found.allowed.sum() + sum(each.removed for each in found.removed) == len(expected)


def test_a_larger_holdout_only_adds_and_another_workspace_draws_another():
    ids = [f"customer-{number}" for number in range(20_000)]
    key = bytes(range(32))
    before = np.zeros(len(ids), dtype=np.bool_)
    for share in (0.0, 0.01, 0.05, 0.2, 0.5):
        drawn = held_out(ids, key, share)
        assert not (before & ~drawn).any()
        # Five standard errors of a drawing by lots.
        assert abs(drawn.mean() - share) <= 5 * np.sqrt(share * (1 - share) / len(ids))
        before = drawn
    assert (held_out(ids[::-1], key, 0.2)[::-1] == held_out(ids, key, 0.2)).all()
    other = held_out(ids, bytes(32), 0.5)
    assert 0.45 < (other == before).mean() < 0.55
