"""Two plain sentences about a group of customers, for a prompt: words instead of figures, and no personal
data.

Figures and product names stay out on purpose: a model that reads "3.1 times" or another product's title
here is likely to write it into the copy, where no fact of the brief stands behind it.
"""

from collections.abc import Sequence

import msgspec

MAX_TEXT = 60

FRACTIONS = (
    (0.95, "nearly all"),
    (0.85, "about nine in ten"),
    (0.77, "about four in five"),
    (0.70, "about three in four"),
    (0.58, "about two in three"),
    (0.45, "about half"),
    (0.36, "about two in five"),
    (0.29, "about a third"),
    (0.22, "about a quarter"),
    (0.15, "about one in five"),
    (0.0, "some"),
)
OFTEN = (
    (10.0, "more than ten times as often as"),
    (4.5, "more than four times as often as"),
    (2.7, "about three times as often as"),
    (1.7, "about twice as often as"),
    (1.0, "more often than"),
)
WITHIN = (
    (1.0, "within the last day"),
    (7.0, "within the last week"),
    (14.0, "within the last two weeks"),
    (31.0, "within the last month"),
    (92.0, "within the last three months"),
    (183.0, "within the last half-year"),
    (366.0, "within the last year"),
)
SPENDING = (
    (1.8, "far more than"),
    (1.2, "more than"),
    (0.83, "about as much as"),
    (0.55, "less than"),
    (0.0, "far less than"),
)
STAGES = {
    "new": "Most of them are new here",
    "loyal": "Most of them are loyal customers",
    "lapsed": "Most of them have not been back for a while",
    "cart": "Most of them have left something in the basket",
}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the sentences are made of."""

    size: int
    others: int
    few: bool
    interest: str | None
    category: str | None
    share: float
    """Of members, in the category."""
    lift: float
    traits: Sequence[tuple[str, str]]
    """Names and values, strongest first."""
    stage: str | None
    recency_days: float | None
    bought: bool
    """Whether the recency is one of purchases."""
    spend_ratio: float | None
    """Their median spend over that of the others who bought."""


def write(facts: Facts) -> tuple[str, str]:
    """Write the two sentences."""
    if not facts.size:
        return (
            "Nobody matches this definition at the moment.",
            "There is nothing to say about its members until somebody does.",
        )
    return _who(facts), _how(facts)


def _who(facts: Facts) -> str:
    subject = "These few customers" if facts.few else "These customers"
    if not facts.others:
        return "These are all the customers there are, so nothing sets them apart from others."
    interest = facts.interest and plain(facts.interest)
    category = facts.category and plain(facts.category)
    habit = ""
    if category:
        often = _worded(OFTEN, facts.lift)
        habit = f"{_worded(FRACTIONS, facts.share)} of them choose {category}, {often} other customers"
    if interest and category and interest.casefold() != category.casefold():
        return f"{subject} are drawn to {interest}: {habit}."
    if category:
        return f"{subject} are drawn to {category}: {habit.replace(f'choose {category}', 'choose it')}."
    if interest:
        return f"{subject} are drawn to {interest}."
    return f"{subject} have no one interest in common that sets them apart from other customers."


def _how(facts: Facts) -> str:
    clauses: list[str] = []
    if facts.stage is not None:
        clauses.append(STAGES[facts.stage])
    if facts.recency_days is not None and facts.stage != "cart":
        verb = "bought" if facts.bought else "visited"
        when = next((words for days, words in WITHIN if facts.recency_days <= days), "more than a year ago")
        clauses.append(f"they typically last {verb} {when}")
    if facts.spend_ratio is not None:
        clauses.append(f"they spend {_worded(SPENDING, facts.spend_ratio)} other customers")
    spoken = [_trait(name, value) for name, value in facts.traits if not _has_digit(value)]
    if spoken:
        clauses.append(f"most of them have {' and '.join(spoken[:2])}")
    if not clauses:
        return "Nothing more is known about how they shop."
    text = ", ".join(clauses[:-1]) + (" and " if len(clauses) > 1 else "") + clauses[-1]
    return f"{text[0].upper()}{text[1:]}."


def plain(text: str) -> str:
    """Bring catalogue or definition text onto one short line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()).strip(" .,;:")
    return line if len(line) <= MAX_TEXT else f"{line[: MAX_TEXT - 3].rstrip()}..."


def _trait(name: str, value: str) -> str:
    label = plain(name.replace("_", " "))
    if value in ("true", "false"):
        return f"{label} switched {'on' if value == 'true' else 'off'}"
    return f"the {label} {plain(value)}"


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _worded(scale: Sequence[tuple[float, str]], value: float) -> str:
    return next((words for least, words in scale if value >= least), scale[-1][1])
