"""Draws a page: Jinja2 with everything escaped, styles and drawings inside the one file, no script at all."""

import functools
import re
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from eval.figures import Figure, number
from eval.html.blocks import Block, Page
from eval.html.charts import Interval, against_goal

LONGEST_TEXT = 1_200
"""Characters of one text that are shown; of a longer one it is said how many are missing."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_GOAL = re.compile(r"[<>]= (?P<value>\S+)")


def render(page: Page) -> str:
    """Draw a page as one HTML document, UTF-8, readable without a network."""
    return _environment().get_template("page.html.j2").render(page=page) + "\n"


@functools.cache
def _environment() -> jinja2.Environment:
    folder = resources.files("eval.html") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (folder / "style.css").read_text(encoding="utf-8")
    known: Any = environment  # its dictionaries have no types
    known.globals["style"] = Markup(style)  # noqa: S704 -- this package's own file
    known.filters |= {"number": number, "against_goal": _against_goal, "macro": _macro}
    return environment


def _finalize(value: object) -> object:
    """Whatever is drawn passes here, and is escaped afterwards."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _macro(block: Block) -> str:
    """Name the macro that draws a block: `FigureTable` is drawn by `figure_table`."""
    return _CAPITAL.sub("_", type(block).__name__).lower()


def shown(text: str) -> str:
    """Give a text as a page can hold it: no control characters, and no more than a reader reads."""
    whole = _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))
    if len(whole) <= LONGEST_TEXT:
        return whole
    return f"{whole[:LONGEST_TEXT]} … ({len(whole) - LONGEST_TEXT:,} more characters)"


def _against_goal(figure: Figure) -> Interval | None:
    goal = _GOAL.fullmatch(figure.goal or "")
    if figure.low is None:
        return None
    return against_goal(figure.value, figure.low, figure.high, float(goal["value"]) if goal else None)
