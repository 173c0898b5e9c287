import pytest

from prompts.channels import CHANNELS, find_channel
from prompts.counting import characters, count, segments, septets, weighted
from prompts.errors import BriefError


def test_the_channels_hold_the_fields_every_template_and_engine_writes() -> None:
    assert {name: [field.name for field in channel.fields] for name, channel in CHANNELS.items()} == {
        "email": ["subject", "preheader", "body", "cta"],
        "push": ["title", "body"],
        "sms": ["text"],
        "search": ["headlines", "descriptions"],
        "social": ["text", "hashtags"],
        "banner": ["headline", "body", "cta"],
    }


def test_the_limits_that_media_enforce_are_hard_and_official() -> None:
    search = find_channel("search")
    assert (search.field("headlines").items, search.field("headlines").target.value) == ((3, 15), 30)
    assert (search.field("descriptions").items, search.field("descriptions").target.value) == ((2, 4), 90)
    assert search.field("headlines").unique
    assert all(limit.kind == "hard" for field in search.fields for limit in field.limits)
    subject = find_channel("email").field("subject")
    assert [(limit.value, limit.kind) for limit in subject.limits] == [(60, "soft"), (998, "hard")]


def test_every_limit_names_its_source_and_the_day_it_was_checked() -> None:
    limits = [limit for channel in CHANNELS.values() for field in channel.fields for limit in field.limits]
    assert all(limit.source and limit.checked_on == "2026-11-22" for limit in limits)


def test_an_unknown_channel_names_the_known_ones() -> None:
    with pytest.raises(BriefError, match=r"'fax'.*email, push, sms, search, social, banner"):
        find_channel("fax")


@pytest.mark.parametrize(
    ("text", "length"),
    [("abc", 3), ("café", 4), ("cafe\u0301", 4), ("👩‍👩‍👧", 1), ("🇩🇪", 1), ("", 0)],
)
def test_characters_are_what_a_reader_sees(text: str, length: int) -> None:
    assert characters(text) == length


@pytest.mark.parametrize(
    ("text", "length", "parts"),
    [
        ("a" * 160, 160, 1),
        ("a" * 161, 161, 2),
        ("a" * 158 + "€", 160, 1),
        ("a" * 159 + "€", 161, 2),
        ("’" + "a" * 69, 160, 1),
        ("’" + "a" * 70, 163, 2),
        ("a" * 306, 306, 2),
        ("a" * 307, 307, 3),
        ("😀" * 35, 160, 1),
        ("£é", 2, 1),
    ],
)
def test_an_sms_fills_160_septets_or_70_units(text: str, length: int, parts: int) -> None:
    assert (septets(text), segments(text)) == (length, parts)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("hello", 5),
        ("https://example.com/a/very/long/path?with=query", 23),
        ("see https://x.y/z.", 28),
        ("日本", 4),
        ("😀", 2),
        ("👩‍👩‍👧", 2),
        ("cafe\u0301", 4),
        ("it’s", 4),
    ],
)
def test_a_post_counts_as_x_counts(text: str, length: int) -> None:
    assert weighted(text) == length


def test_bytes_are_utf8() -> None:
    assert count("é", "bytes") == 2
