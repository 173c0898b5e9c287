"""Briefs that tests share, and the copy that answers them without a fault."""

from typing import Any

import msgspec

from prompts.brief import Audience, Brand, Brief, Offer, Product
from prompts.variant import Fields

PLANTER = Product(
    id="1",
    title="Fernhill Stoneware Planter",
    description="A glazed planter, 30 cm tall, with a saucer. Guaranteed for two years.",
    category="Garden",
    price="£24.00",
    benefits=("a frost-proof glaze", "a drainage hole"),
    link="https://fernhill.example/planter",
)
OFFER = Offer(text="15% off", code="GROW15", ends="30 April")
GARDENERS = Audience(name="Balcony gardeners", description="They order twice a year.", interest="gardening")
GREETING = '{{ first_name | default: "there" }}'


def brief(channel: str = "email", **changes: Any) -> Brief:
    """A full brief for a channel, with some of its fields changed."""
    values: dict[str, Any] = {
        "channel": channel,
        "product": PLANTER,
        "offer": OFFER,
        "audience": GARDENERS,
        "brand": Brand(name="Fernhill", voice="Plain and warm", banned_words=("cheap", "hurry")),
    }
    return Brief(**(values | changes))


CLEAN: dict[str, Fields] = {
    "email": {
        "subject": "Meet Fernhill Stoneware Planter",
        "preheader": "Take 15% off with code GROW15 until 30 April.",
        "body": "Your balcony could use company.\n\nIt comes with a frost-proof glaze and a drainage hole.",
        "cta": "Shop now",
    },
    "push": {
        "title": "Room for one more pot?",
        "body": "Fernhill Stoneware Planter: 15% off, code GROW15, until 30 April. With a drainage hole.",
    },
    "sms": {
        "text": "Fernhill Stoneware Planter with a drainage hole: 15% off, code GROW15 until 30 April. "
        "Shop now: https://fernhill.example/planter"
    },
    "search": {
        "headlines": ["Fernhill Stoneware Planter", "15% off with code GROW15", "A frost-proof glaze"],
        "descriptions": ["A planter with a drainage hole.", "Take 15% off until 30 April."],
    },
    "social": {
        "text": "Some pots crack in the first frost. Fernhill Stoneware Planter has a frost-proof glaze. "
        "15% off with code GROW15 until 30 April. https://fernhill.example/planter",
        "hashtags": ["#gardening", "#inbloom"],
    },
    "banner": {
        "headline": "Green up the balcony",
        "body": "Fernhill Stoneware Planter: a drainage hole, 15% off, code GROW15 until 30 April.",
        "cta": "Shop now",
    },
}


def changed(channel: str, **fields: str | list[str]) -> Fields:
    """Clean copy of a channel with some fields changed."""
    return CLEAN[channel] | fields


def answer(fields: Fields) -> str:
    """The JSON an engine would answer."""
    return msgspec.json.encode(fields).decode()
