"""What an analyst sees instead of people: pseudonyms of profiles and of what identifies them.

The one place where answers are masked, as they are about to be sent: whatever an answer is made of, it
passes through `Masks.answer`. Equal ids have equal pseudonyms in all answers of a workspace, so that they can
be joined.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Any, TypeAlias, cast

import msgspec
import numpy as np
import numpy.typing as npt

from service.privacy.model import PSEUDONYM_BYTES, pseudonym

PREFIX = "masked-"
WITHHELD = "not shown to this key"

DIGEST = f"S{PSEUDONYM_BYTES}"

Json = dict[str, Any]
Places: TypeAlias = npt.NDArray[np.uint32]
"""uint32[n]: places in a list."""


class Masks:
    """Pseudonyms of one workspace, under a key derived from its own, and the traits that identify people.

    They tell nothing to who lacks the key, and are others than those in receipts and in the record of acts.
    """

    def __init__(self, secret: bytes, identifying: Collection[str]) -> None:
        self._key = blake2b(b"what analysts see", key=secret).digest()
        self._identifying = {_plain(name) for name in identifying}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masks) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def profile(self, profile_id: str) -> str:
        """Return the pseudonym of a profile."""
        return PREFIX + pseudonym(self._key, profile_id)

    def among(self, ids: Iterable[str], wanted: str) -> str | None:
        """Return the id whose pseudonym this is; none when it is nobody's of these."""
        return next((each for each in ids if self.profile(each) == wanted), None)

    def order(self, ids: Iterable[str]) -> Places:
        """Return the places of ids in the order of their pseudonyms, which tells nothing about the ids."""
        return np.argsort(self.digests(ids), kind="stable").astype(np.uint32)

    def digests(self, ids: Iterable[str]) -> npt.NDArray[np.bytes_]:
        """Return the bytes that pseudonyms are written from; S16[n]."""
        joined = b"".join(bytes.fromhex(pseudonym(self._key, each)) for each in ids)
        return np.frombuffer(joined, dtype=DIGEST)

    def identifies(self, trait: str) -> bool:
        """Whether a trait tells who somebody is: by its name, or as a part of such (`address.city`)."""
        parts = _plain(trait).split(".")
        return any(".".join(parts[:count]) in self._identifying for count in range(1, len(parts) + 1))

    def answer(self, value: Any) -> Any:
        """Return an answer, as decoded JSON, with pseudonyms in the place of everything that identifies."""
        match value:
            case list():
                return [self.answer(each) for each in cast("list[Any]", value)]
            case {"id": str(), "traits": dict()}:
                return self._person(cast("Json", value))
            case {"trait": str(name), "op": op, "value": _} if op != "exists" and self.identifies(name):
                return self._rule(cast("Json", value))
            case {"trait": str(name), "value": _} if "op" not in value and self.identifies(name):
                return self._rule(cast("Json", value))
            case {"rule": {"trait": str(name)}, "words": str()} if self.identifies(name):
                return self._fields({**cast("Json", value), "words": f"{name} is {WITHHELD}"})
            case {"kind": "popular", "text": str(text)} if self.identifies(_trait_named(text)):
                return {**cast("Json", value), "text": "popular"}
            case {"sentences": list(), "traits": list()}:
                return self._description(cast("Json", value))
            case {"definition": dict(), "text": str()}:
                return self._segment(cast("Json", value))
            case dict():
                return self._fields(cast("Json", value))
            case _:
                return value

    def _fields(self, fields: Json) -> Json:
        return {name: self._field(name, value) for name, value in fields.items()}

    def _field(self, name: str, value: Any) -> Any:
        if name == "profile_id" and isinstance(value, str):
            return self.profile(value)
        if name == "profiles" and isinstance(value, list):  # the seeds of a rule
            return [
                self.profile(each) if isinstance(each, str) else each for each in cast("list[Any]", value)
            ]
        if name == "error" and isinstance(value, str):  # it may quote a rule
            return WITHHELD
        return self.answer(value)

    def _person(self, person: Json) -> Json:
        own: str = person["id"]
        traits = cast("Mapping[str, Any]", person["traits"])
        masked = {
            name: self.profile(own) if value == own else self._trait(name, value)
            for name, value in traits.items()
        }
        return {**person, "id": self.profile(own), "traits": masked}

    def _trait(self, name: str, value: Any) -> Any:
        if value is None or not self.identifies(name):
            return value
        if isinstance(value, list):
            return [self._trait(name, each) for each in cast("list[Any]", value)]
        return PREFIX + pseudonym(self._key, f"{name}\0{msgspec.json.encode(value).decode()}")

    def _rule(self, rule: Json) -> Json:
        return {**rule, "value": self._trait(rule["trait"], rule["value"])}

    def _description(self, description: Json) -> Json:
        traits: list[Json] = description["traits"]
        kept = [each for each in traits if not self.identifies(str(each.get("name")))]
        told: list[str] = description["sentences"] if len(kept) == len(traits) else []
        return self._fields({**description, "traits": kept, "sentences": told})

    def _segment(self, segment: Json) -> Json:
        masked = self._fields(segment)
        return masked if masked["definition"] == segment["definition"] else {**masked, "text": ""}


def _trait_named(text: str) -> str:
    """Read the trait in `popular where NAME = VALUE`."""
    return text.removeprefix("popular where ").partition(" = ")[0]


def _plain(name: str) -> str:
    """Read `first_name`, `firstName` and `First name` as one."""
    return re.sub(r"[^a-z0-9.]", "", name.lower())
