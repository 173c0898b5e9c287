"""API keys: `pw_<prefix>_<secret>`, made from chance, known afterwards by a digest only.

The secret is 192 random bits, so a plain sha256 cannot be reversed or searched; a slow hash would only
make every request slow. The prefix is public: it finds the row and names the key in lists and logs.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

import msgspec

from service.errors import Forbidden, Unauthenticated

KEY = re.compile(r"pw_(?P<prefix>[a-z0-9]{8})_(?P<secret>[0-9a-f]{48})\Z", re.ASCII)
_NO_KEY = "0" * 64


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh key: its text, to be shown once, and what is stored of it."""

    text: str
    prefix: str
    secret_sha256: str

    def __repr__(self) -> str:
        return f"NewKey(prefix={self.prefix!r})"


def new_key() -> NewKey:
    """Make a key out of the system's randomness."""
    prefix = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(8))
    secret = secrets.token_hex(24)
    return NewKey(text=f"pw_{prefix}_{secret}", prefix=prefix, secret_sha256=_digest(secret))


def split_key(text: str) -> tuple[str, str]:
    """Return (prefix, secret) of a key's text; raises Unauthenticated, without quoting it."""
    found = KEY.match(text)
    if found is None:
        raise Unauthenticated(
            "that is no API key: it looks like pw_<8 letters and digits>_<48 hex digits>; "
            "make one with `pitchwright keys create`"
        )
    return found["prefix"], found["secret"]


def matches(secret: str, stored_sha256: str | None) -> bool:
    """Whether the secret is the stored one, in a time that depends on neither (nor on there being one)."""
    equal = hmac.compare_digest(_digest(secret), stored_sha256 or _NO_KEY)
    return equal and stored_sha256 is not None


def allows(scopes: Iterable[str], wanted: str) -> bool:
    """Whether a key with these scopes may do what `wanted` names; `admin` may do everything."""
    return bool({"admin", wanted} & set(scopes))


def require_scope(scopes: Iterable[str], *wanted: str) -> None:
    """Raise Forbidden unless one of the wanted scopes is held."""
    held = sorted(scopes)
    if not any(allows(held, scope) for scope in wanted):
        raise Forbidden(
            f"this needs a key with scope {' or '.join(wanted)}; this key has {', '.join(held) or 'none'}"
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
