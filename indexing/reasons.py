"""Reasons for a recommendation, in words."""

from __future__ import annotations

_VERBS = {
    "view": "viewed",
    "click": "clicked",
    "favourite": "saved",
    "add_to_cart": "put in the basket",
    "purchase": "bought",
}
_UNITS = ((365.0, "year"), (30.0, "month"), (7.0, "week"))


def because_of(title: str, event_type: str, age_days: float) -> str:
    """Say which event a similar item comes from: `because of "Garden trowel" viewed 2 days ago`."""
    verb = _VERBS.get(event_type, f"({event_type})")
    return f'because of "{title}" {verb} {how_long_ago(age_days)}'


def bought_with(title: str) -> str:
    """Say that the same people like both."""
    return f'often bought with "{title}"'


def like(title: str) -> str:
    """Say that two items read alike."""
    return f'similar to "{title}"'


def popular(trait: str | None) -> str:
    """Say that many like it, of those with a trait value where one is given."""
    return f"popular where {trait}" if trait else "popular"


def how_long_ago(age_days: float) -> str:
    """Say an age: `today`, `yesterday`, `5 days ago`, `3 weeks ago`."""
    if age_days < 1:
        return "today"
    if age_days < 2:
        return "yesterday"
    for days, unit in _UNITS:
        number = int(age_days // days)
        if number >= 2 or (number == 1 and unit != "week"):
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return f"{int(age_days)} days ago"
