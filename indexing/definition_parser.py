"""Reads a definition as people write it (`definition_text.py`), and points at what it cannot read."""

import difflib
import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from indexing.definition import MAX_DEPTH, MAX_NODES, Definition, parse_definition
from indexing.definition_text import CALLS, PLURALS, SIGNS, TOTALS, WORDS
from indexing.definition_tokens import Source, Token, cut, quote
from indexing.errors import DefinitionError, DefinitionTextError

_LONGEST_NUMBER = 40
_A_PART = 'a rule such as country = "DE" or like("tea"), "not" or "("'
_A_VALUE = "a number, a text in double quotes, true or false"


class Arguments(msgspec.Struct):
    """What stood in a call's parentheses, and where each JSON field's value was."""

    given: list[str]
    named: dict[str, Any]
    places: dict[str, int]


def read_text(text: str) -> Definition:
    """Read a definition from text.

    Raises `DefinitionTextError`, which says what was expected and shows the line, a caret below the place.
    """
    return _Parser(text).read()


class _Parser:
    """Descends through one text; `_next` is the token that was not taken yet."""

    def __init__(self, text: str) -> None:
        source = Source(text)
        self._tokens = source.tokens()
        self._error = source.error
        self._open = 0
        self._parts = 0
        self._next = next(self._tokens)

    def read(self) -> Definition:
        tree = self._definition()
        if self._next.kind != "end":
            raise self._unexpected('"and", "or" or the end')
        try:
            return parse_definition(tree)
        except DefinitionError as error:  # of the tree as a whole: each rule was read by itself
            raise self._error(_without_path(error)[1], 0) from None

    def _definition(self) -> dict[str, Any]:
        return self._chain("or", "any", lambda: self._chain("and", "all", self._part))

    def _chain(self, word: str, key: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        parts = [read()]
        while self._taken(word):
            parts.append(read())
        return parts[0] if len(parts) == 1 else {key: parts}

    def _part(self) -> dict[str, Any]:
        start = self._next
        self._parts += 1
        if self._parts > MAX_NODES:
            raise self._error(f"more than {MAX_NODES} rules; make some of them a segment", start.place)
        if start.kind == "name" and start.text not in WORDS:
            return self._rule()
        if start.text not in ("not", "("):
            raise self._unexpected(_A_PART)
        self._take()
        return self._deeper(start, lambda: self._opened(start.text))

    def _opened(self, mark: str) -> dict[str, Any]:
        if mark == "not":
            return {"not": self._part()}
        inner = self._definition()
        self._need(")", '"and", "or" or ")"')
        return inner

    def _deeper(self, start: Token, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self._open += 1
        if self._open > MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} levels deep; make a part a segment", start.place)
        inner = read()
        self._open -= 1
        return inner

    def _rule(self) -> dict[str, Any]:
        name = self._take()
        if self._next.text != "(":
            return self._trait(name, name.text)
        if name.text not in CALLS:
            close = difflib.get_close_matches(name.text, CALLS, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise self._error(f"no rule {cut(name.text)}(...); known: {', '.join(CALLS)}{hint}", name.place)
        self._take()
        if name.text in ("all", "any"):
            return self._deeper(name, lambda: {name.text: self._several()})
        arguments = self._arguments(types=name.text in TOTALS)
        if name.text == "trait":
            return self._trait(name, self._one(name, arguments, "the trait's name"))
        if name.text in TOTALS or name.text in PLURALS:
            return self._totals(name, arguments)
        return self._call(name, arguments)

    def _several(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        if not self._taken(")"):
            parts.append(self._definition())
            while self._taken(","):
                parts.append(self._definition())
            self._need(")", '"and", "or", "," or ")"')
        return parts

    def _trait(self, start: Token, trait: str) -> dict[str, Any]:
        test = self._take()
        node: dict[str, Any] = {"trait": trait}
        places = {"trait": start.place, "value": self._next.place}
        if test.text in SIGNS:
            node |= {"op": SIGNS[test.text], "value": self._scalar()}
        elif test.text == "in":
            node |= {"op": "in", "value": self._list(self._scalar, 'a list such as ["DE", "FR"]')}
        elif test.text == "contains":
            node |= {"op": "contains", "value": self._quoted("a text in double quotes")}
        elif test.text in ("exists", "missing"):
            node |= {"op": "exists", "value": test.text == "exists"}
        else:
            signs = ", ".join(SIGNS)
            raise self._unexpected(f"one of {signs}, in, contains, exists, missing after {cut(trait)}", test)
        return self._checked(node, start, places)

    def _totals(self, name: Token, arguments: Arguments) -> dict[str, Any]:
        node = {"event": PLURALS.get(name.text), **arguments.named}
        if name.text in TOTALS:
            node |= {"event": self._one(name, arguments, "an event type"), "aggregate": TOTALS[name.text]}
        elif arguments.given:
            raise self._error(f"{name.text}(...) takes no type: it is {PLURALS[name.text]!r}", name.place)
        sign = self._next
        if sign.text in SIGNS:
            node["op"] = SIGNS[self._take().text]
            arguments.places["value"] = self._next.place
            if self._next.kind != "number":
                raise self._unexpected("a number")
            node["value"] = self._scalar()
        return self._checked(node, name, arguments.places)

    def _call(self, name: Token, arguments: Arguments) -> dict[str, Any]:
        node = dict(arguments.named)
        if name.text == "similar_to":
            node["similar_to"] = {"profiles": arguments.given} if arguments.given else {}
            if "segment" in node:
                node["similar_to"]["segment"] = node.pop("segment")
        elif name.text == "nearest":
            node["nearest"] = arguments.given
        else:
            node[name.text] = self._one(name, arguments, "a text in double quotes")
        return self._checked(node, name, arguments.places)

    def _arguments(self, *, types: bool) -> Arguments:
        """Read to the closing parenthesis; bare words and `*` are event types where there may be one."""
        found = Arguments([], {}, {})
        while not self._taken(")"):
            token = self._next
            if token.kind == "text":
                found.given.append(self._quoted("a text"))
            elif token.kind == "days":
                self._name(found, Token("name", "within_days", token.place), self._days)
            elif types and not found.given and (token.kind == "name" or token.text == "*"):
                found.given.append(self._take().text)
            elif token.kind == "name":
                self._take()
                if self._next.text != "=":
                    name = cut(token.text)
                    raise self._unexpected(f'"=" after {name}, or {name} in double quotes')
                self._take()
                self._name(found, token, self._any_value)
            else:
                raise self._unexpected('a text in double quotes, days such as 90d, NAME = VALUE or ")"')
            if not self._taken(","):
                self._need(")", '"," or ")"')
                break
        return found

    def _name(self, found: Arguments, token: Token, read: Callable[[], Any]) -> None:
        if token.text in found.named:
            raise self._error(f"{cut(token.text)} is given twice", token.place)
        found.places[token.text] = self._next.place
        found.named[token.text] = read()

    def _any_value(self) -> Any:
        if self._next.text == "[":
            return self._list(self._any_value, "a list")
        return self._scalar()

    def _list(self, read: Callable[[], Any], what: str) -> list[Any]:
        start = self._next
        self._need("[", what)
        values: list[Any] = []

        def filled() -> dict[str, Any]:
            while not self._taken("]"):
                values.append(read())
                if not self._taken(","):
                    self._need("]", '"," or "]"')
                    break
            return {}

        self._deeper(start, filled)
        return values

    def _scalar(self) -> Any:
        token = self._next
        if token.text in ("true", "false"):
            return self._take().text == "true"
        if token.kind == "text":
            return self._quoted("a text")
        if token.kind == "number":
            self._short(token)
            written = self._take().text
            return int(written) if re.fullmatch(r"-?\d+", written) else float(written)
        hint = f"; quote a text: {quote(token.text)}" if token.kind == "name" else ""
        raise self._unexpected(_A_VALUE, hint=hint)

    def _days(self) -> int:
        self._short(self._next)
        return int(self._take().text.removesuffix("d"))

    def _short(self, token: Token) -> None:
        if len(token.text) > _LONGEST_NUMBER:
            raise self._error(f"a number of {len(token.text)} digits is too long", token.place)

    def _quoted(self, what: str) -> str:
        token = self._next
        if token.kind != "text":
            raise self._unexpected(what)
        try:
            text = json.loads(token.text)
        except json.JSONDecodeError as error:
            place = token.place + error.pos
            raise self._error(f"no such escape or character in a text ({error.msg.lower()})", place) from None
        self._take()
        return text

    def _one(self, name: Token, arguments: Arguments, what: str) -> str:
        if len(arguments.given) != 1:
            raise self._error(f"{name.text}(...) takes {what}, once", name.place)
        return arguments.given[0]

    def _checked(self, node: dict[str, Any], start: Token, places: dict[str, int]) -> dict[str, Any]:
        """Let the one reader of rules judge a rule, and point at the value it refuses."""
        try:
            parse_definition(node)
        except DefinitionError as error:
            field, reason = _without_path(error)
            unknown = re.match(r"unknown key '(\w+)'", reason)
            field = unknown[1] if unknown else field
            raise self._error(reason, places.get(field, start.place)) from None
        return node

    def _take(self) -> Token:
        taken = self._next
        if taken.kind != "end":
            self._next = next(self._tokens)
        return taken

    def _taken(self, text: str) -> bool:
        """Take the next token if it is this one; a quoted text never is."""
        found = self._next.text == text
        if found:
            self._take()
        return found

    def _need(self, text: str, what: str) -> None:
        if not self._taken(text):
            raise self._unexpected(what)

    def _unexpected(self, what: str, token: Token | None = None, *, hint: str = "") -> DefinitionTextError:
        found = token or self._next
        got = "the end" if found.kind == "end" else cut(found.text)
        return self._error(f"expected {what}, got {got}{hint}", found.place)


def _without_path(error: DefinitionError) -> tuple[str, str]:
    """Split a reader's message into the field of the rule it speaks of and the rest."""
    path, _, reason = str(error).partition(": ")
    field = re.match(r"\$\.(?:similar_to\.)?(\w+)", path)
    return field[1] if field else "", reason
