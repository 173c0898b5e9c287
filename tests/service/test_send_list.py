"""Filling by columns says what the renderer says, for any text and any member; which variant goes to whom."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.channels import find_channel
from prompts.errors import LengthError, SlotError
from prompts.measure import measure
from prompts.personal import fill_copy, read_copy, refuse_too_long, value_text
from prompts.readers import Readers
from prompts.slots import escape
from service.campaigns.model import Row
from service.campaigns.send_list import SendList, lots, units_of
from service.campaigns.send_list_filling import SendUnit, SendVariant
from service.campaigns.send_list_members import MemberReader
from service.vault import Vault
from tests.service.units import unit

NAMES = ("first_name", "plan", "größe", "1st", "email")
READERS = Readers(
    whose="tests",
    known=frozenset(NAMES),
    profiles=1,
    without=dict.fromkeys(NAMES, 0),
    names=(),
    values=(),
)
CHANNELS = {"email": ("subject", "preheader", "body", "cta"), "push": ("title", "body"), "sms": ("text",)}

plain = st.text(st.characters(codec="utf-8"), max_size=12).map(escape)
quoted = st.text(st.characters(codec="utf-8", exclude_characters='"{}\n%'), max_size=6)
tags = st.one_of(
    st.builds('{{{{ {} | default: "{}" }}}}'.format, st.sampled_from(NAMES), quoted),
    st.builds("{{{{{}}}}}".format, st.sampled_from(NAMES)),
    st.just('{{ "{" }}'),
)
long = st.builds(lambda text, times: text * times, plain, st.sampled_from([1, 1, 1, 90, 1_700]))
bodies = st.lists(st.one_of(long, tags, tags), max_size=4).map("".join)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.builds(
        lambda text, times: text * times,
        st.text(st.characters(codec="utf-8"), max_size=9),
        st.sampled_from([1, 1, 400]),
    ),
)
people = st.lists(st.dictionaries(st.sampled_from(NAMES), values), min_size=1, max_size=5)


def unit_of(channel: str, *variants: dict[str, Any]) -> SendUnit:
    made = tuple(SendVariant(id=f"v{place}", fields=fields) for place, fields in enumerate(variants))
    return SendUnit(segment="all", item_id="i1", channel=channel, variants=made)


def members_of(send_list: SendList, traits: list[dict[str, Any]]) -> pl.DataFrame:
    stored = [(f"p{place}", msgspec.json.encode(each).decode(), None) for place, each in enumerate(traits)]
    return MemberReader(Vault(), send_list.names).columns(stored)


def everybody(send_list: SendList, size: int) -> dict[str, Any]:
    return {unit.channel: np.ones(size, dtype=np.bool_) for unit in send_list.units}


def preview(channel: str, fields: dict[str, Any], traits: dict[str, Any]) -> dict[str, Any] | type[Exception]:
    """What `/v1/render` does with given fields and traits."""
    copy = read_copy(channel, fields, READERS)
    try:
        filled = fill_copy(copy, {name: value_text(value) for name, value in traits.items()})
        refuse_too_long(measure(find_channel(channel), filled), whose="for this profile")
    except (SlotError, LengthError) as error:
        return type(error)
    return filled


def rows_are_what_previews_show(data: st.DataObject, traits: list[dict[str, Any]]) -> None:
    copies = {
        channel: data.draw(st.fixed_dictionaries(dict.fromkeys(fields, bodies)))
        for channel, fields in CHANNELS.items()
    }
    send_list = SendList("spring", [unit_of(*pair) for pair in copies.items()], NAMES)
    filled = send_list.fill("all", members_of(send_list, traits), everybody(send_list, len(traits)))
    rows = {(row["profile_id"], row["channel"]): row for row in filled.rows.to_dicts()}
    refused = {(row["profile_id"], row["channel"]): row for row in filled.refused.to_dicts()}
    assert len(rows) + len(refused) == filled.rows.height + filled.refused.height == len(traits) * len(copies)
    for place, own in enumerate(traits):
        for channel, fields in copies.items():
            key, seen = (f"p{place}", channel), preview(channel, fields, own)
            if seen is SlotError:
                assert refused[key]["rule"] == "lacks_trait"
            elif seen is LengthError:
                bare = {name for name in own if f"{{{{{name}}}}}" in "".join(fields.values())}
                plainer = preview(channel, fields, {name: own[name] for name in bare})
                if plainer is LengthError:
                    assert refused[key]["rule"] == "too_long"
                else:
                    assert {name: rows[key][name] for name in fields} == plainer
            else:
                assert {name: rows[key][name] for name in fields} == seen
                for name in send_list.names:
                    shown = rows[key][f"tag_{name}"]
                    assert shown is None or value_text(own.get(name)) in (None, shown)


@given(data=st.data(), traits=people)
@settings(max_examples=15, deadline=None)
def test_every_row_is_what_a_preview_shows(data: st.DataObject, traits: list[dict[str, Any]]) -> None:
    rows_are_what_previews_show(data, traits)


@pytest.mark.slow
@given(data=st.data(), traits=people)
@settings(max_examples=600, deadline=None)
def test_every_row_of_many_is_what_a_preview_shows(data: st.DataObject, traits: list[dict[str, Any]]) -> None:
    rows_are_what_previews_show(data, traits)


def test_rows_come_by_member_then_by_unit_and_name_their_variant() -> None:
    units = [unit_of("push", {"title": "a", "body": "b"}), unit_of("sms", {"text": "Hi {{ plan }}"})]
    send_list = SendList("spring", units, NAMES)
    allowed = {"push": np.array([True, True, False]), "sms": np.array([True, False, True])}
    traits = [{"plan": "gold", "phone": 491511234567.0}, {}, {"email": "a@b.example"}]
    filled = send_list.fill("all", members_of(send_list, traits), allowed)
    seen = [
        (row["profile_id"], row["channel"], row["variant_id"], row["tag_plan"], row["title"], row["text"])
        for row in filled.rows.to_dicts()
    ]
    assert seen == [
        ("p0", "push", "v0", None, "a", None),
        ("p0", "sms", "v0", "gold", None, "Hi gold"),
        ("p1", "push", "v0", None, "a", None),
    ]
    assert filled.rows["phone"].to_list() == ["491511234567", "491511234567", None]
    [refused] = filled.refused.to_dicts()
    assert (refused["profile_id"], refused["rule"]) == ("p2", "lacks_trait")
    assert "the profile has no 'plan'" in refused["reason"]
    counted = {(0, "written"): 2, (1, "written"): 1, (1, "lacks_trait"): 1}
    assert +filled.counts == Counter(counted)


def test_a_value_that_makes_a_text_too_long_gives_way_to_the_default_and_is_counted() -> None:
    text = "x" * 1_590 + '{{ first_name | default: "there" }}'
    send_list = SendList("spring", [unit_of("sms", {"text": text})], NAMES)
    traits = [{"first_name": "Ada"}, {"first_name": "Maximiliana Theodora"}, {}]
    filled = send_list.fill("all", members_of(send_list, traits), everybody(send_list, 3))
    assert [text[1_590:] for text in filled.rows["text"]] == ["Ada", "there", "there"]
    assert filled.rows["tag_first_name"].to_list() == ["Ada", "there", "there"]
    counted = {(0, "written"): 3, (0, "shortened"): 1, (0, "defaulted"): 1, (0, "unaddressed"): 3}
    assert +filled.counts == Counter(counted)
    over = SendList("spring", [unit_of("sms", {"text": "x" * 11 + text})], NAMES)
    filled = over.fill("all", members_of(over, traits), everybody(over, 3))
    assert filled.rows.height == 0
    assert filled.refused["rule"].to_list() == ["too_long"] * 3
    assert filled.refused["reason"][1].startswith("text has 1606 characters for this profile")


def test_whoever_was_merged_into_another_is_set_aside() -> None:
    send_list = SendList("spring", [unit_of("sms", {"text": "Hi"})], NAMES)
    members = MemberReader(Vault(), ()).columns([("p0", "{}", "p9"), ("p1", "{}", None)])
    filled = send_list.fill("all", members, everybody(send_list, 2))
    assert filled.rows["profile_id"].to_list() == ["p1"]
    assert filled.refused["reason"].to_list() == ["merged into 'p9' since the snapshot was built"]


def test_a_tag_of_no_known_trait_names_its_variant() -> None:
    with pytest.raises(SlotError, match="variant 'v0' of all/i1/sms: text: unknown merge tag 'frist_name'"):
        SendList("spring", [unit_of("sms", {"text": "Hi {{ frist_name }}"})], ["first_name"])


def test_spread_members_keep_their_variant_and_each_variant_gets_its_share() -> None:
    texts = [{"text": f"Hi {place} {{{{ first_name | default: 'you' }}}}"} for place in range(3)]
    send_list = SendList("spring", [unit_of("sms", *texts)], NAMES)
    traits: list[dict[str, Any]] = [{"first_name": f"n{place}"} for place in range(600)]
    members = members_of(send_list, traits)
    rows = send_list.fill("all", members, everybody(send_list, 600)).rows
    assert rows["profile_id"].to_list() == members["profile_id"].to_list()
    shares = Counter(rows["variant_id"])
    assert set(shares) == {"v0", "v1", "v2"}
    assert min(shares.values()) > 150
    part = send_list.fill("all", members[100:200], everybody(send_list, 100)).rows
    assert part["variant_id"].to_list() == rows["variant_id"][100:200].to_list()
    # A draw that changed with a version would send the second half of a campaign other copy.
    assert lots("spring", ["p0", "p1"]).to_list() == [LOT_OF_P0, LOT_OF_P1]
    assert lots("summer", ["p0"]).to_list() != [LOT_OF_P0]


LOT_OF_P0, LOT_OF_P1 = 4_096_676_119_496_203_282, 5_637_067_545_875_233_828


def rows_with(*statuses: str, channel: str = "sms") -> list[Row]:
    _, rows = unit(1, n=len(statuses))
    return [
        msgspec.structs.replace(row, status=status, channel=channel)
        for row, status in zip(rows, statuses, strict=True)
    ]


def test_only_variants_that_passed_are_chosen() -> None:
    rows = rows_with("failed", "passed", "passed", "malformed")
    [best] = units_of(rows, "best", {})
    assert [each.id for each in best.variants] == ["1-1"]
    [spread] = units_of(reversed(rows), "spread", {})
    assert [each.id for each in spread.variants] == ["1-1", "1-2"]
    [none] = units_of(rows_with("failed"), "best", {})
    assert (none.variants, none.left_out) == ((), "no variant passed its checks")
    [banner] = units_of(rows_with("passed", channel="banner"), "best", {})
    assert (banner.variants, banner.left_out) == ((), "a display banner has no one reader")


def test_accepted_copy_is_sent_as_it_stands() -> None:
    [accepted] = units_of(rows_with("passed", "failed"), "accepted", {"1-1": {"text": "By hand"}})
    assert accepted.variants == (SendVariant(id="1-1", fields={"text": "By hand"}),)
    [nobody] = units_of(rows_with("passed"), "accepted", {})
    assert nobody.left_out == "nobody has accepted a variant of it"


def test_nobody_is_nobody() -> None:
    send_list = SendList("spring", [unit_of("sms", {"text": "a"}, {"text": "b"})], NAMES)
    filled = send_list.fill("all", members_of(send_list, []), everybody(send_list, 0))
    assert (filled.rows.height, filled.refused.height, +filled.counts) == (0, 0, Counter())
    assert send_list.fill("others", members_of(send_list, [{}]), {}).rows.schema == send_list.schema
