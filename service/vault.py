"""Chosen traits, and secrets, encrypted at rest: written sealed, read opened, by the column that holds them.

A sealed value stands in a profile's JSON as `{"key": FINGERPRINT, "sealed": TOKEN}`: a Fernet token
(AES-128-CBC with HMAC-SHA256) of the value's JSON, and which key it is under. A plain trait is a scalar, so
the two cannot be mistaken for each other. What stays visible is that a profile has the trait, when it was
sealed, and its length to 16 bytes. A profile's digest, which could be guessed at, is keyed as well.

A secret, such as what signs webhooks, is sealed wherever there is a key: `sealed:FINGERPRINT:TOKEN`. One that
was stored before there was a key is read as it stands.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any, TypeGuard
from weakref import WeakKeyDictionary

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Dialect, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from prompts.readers import FIRST_NAME
from service.errors import SettingsError, TraitsLocked

FINGERPRINT_BYTES = 8
SEAL = "sealed:"
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*(?:'|\.\.\.|$)|\"(?:[^\"\\]|\\.)*(?:\"|\.\.\.|$)|(?<!\w)-?\d[\d.e+-]*")
"""A value in a message, also one that was cut."""

Json = dict[str, Any]


class Vault:
    """The keys of `PITCHWRIGHT_TRAIT_KEYS`, newest first, and the names of the traits they seal."""

    def __init__(self, keys: Sequence[str] = (), names: Collection[str] = ()) -> None:
        """Raise SettingsError for what is no Fernet key, for names without a key, and for `first_name`."""
        self._fernets: dict[str, Fernet] = {}
        for place, key in enumerate(keys, 1):
            try:
                self._fernets[_fingerprint(key)] = Fernet(key)
            except (ValueError, TypeError):
                raise SettingsError(
                    f"PITCHWRIGHT_TRAIT_KEYS: key {place} of {len(keys)} is no Fernet key, 32 bytes in "
                    "URL-safe base64; `pitchwright traits key` makes one"
                ) from None
        if names and not keys:
            raise SettingsError(
                f"PITCHWRIGHT_ENCRYPTED_TRAITS names {', '.join(sorted(names))}, and PITCHWRIGHT_TRAIT_KEYS "
                "holds no key: `pitchwright traits key` makes one"
            )
        if FIRST_NAME in names:
            raise SettingsError(
                f"PITCHWRIGHT_ENCRYPTED_TRAITS names {FIRST_NAME}: it cannot be encrypted, since copy is "
                "proven to fit everybody's by a snapshot, which holds no encrypted trait. Leave it out"
            )
        self.names = frozenset(names)
        self.newest = next(iter(self._fernets), None)
        """Fingerprint of the key that seals; none without keys."""
        self._digest_key = blake2b(keys[0].encode(), person=b"trait digests").digest() if keys else None

    @property
    def idle(self) -> bool:
        """Whether nothing is sealed, and nothing could be opened."""
        return not self._fernets

    def holds(self, fingerprint: str) -> bool:
        """Whether the key with this fingerprint is at hand."""
        return fingerprint in self._fernets

    def sealed(self, traits: Mapping[str, Any]) -> Json:
        """Return traits as they are stored: those of the vault's names sealed under the newest key."""
        if self.newest is None:
            return dict(traits)
        fernet = self._fernets[self.newest]

        def seal(value: object) -> Json:
            return {"key": self.newest, "sealed": fernet.encrypt(msgspec.json.encode(value)).decode()}

        return {name: seal(value) if name in self.names else value for name, value in traits.items()}

    def opened(self, stored: Mapping[str, Any]) -> Json:
        """Return stored traits as they were said; raises TraitsLocked where a key is missing or is not it."""
        return {name: self._open(value) if _is_sealed(value) else value for name, value in stored.items()}

    def shared(self, stored: str) -> str:
        """Return stored traits, as JSON text, for files: opened, without those that are to be encrypted."""
        if self.idle:
            return stored
        traits: Json = msgspec.json.decode(stored)
        kept = {name: value for name, value in traits.items() if name not in self.names}
        return msgspec.json.encode(self.opened(kept)).decode()

    def is_due(self, stored: Mapping[str, Any]) -> bool:
        """Whether stored traits are not yet as the vault would store them now."""
        return any(
            value["key"] != self.newest or name not in self.names if _is_sealed(value) else name in self.names
            for name, value in stored.items()
        )

    def sealed_text(self, text: str) -> str:
        """Return a secret as it is stored: sealed under the newest key; itself without keys."""
        if self.newest is None:
            return text
        token = self._fernets[self.newest].encrypt(text.encode()).decode()
        return f"{SEAL}{self.newest}:{token}"

    def opened_text(self, stored: str) -> str:
        """Return a stored secret as it was; raises TraitsLocked where its key is missing or is not it."""
        if not stored.startswith(SEAL):
            return stored
        fingerprint, _, token = stored.removeprefix(SEAL).partition(":")
        return self._decrypted(fingerprint, token).decode()

    def sealed_body(self, body: bytes) -> bytes:
        """Return an answer that holds a secret as it is remembered."""
        return self.sealed_text(body.decode()).encode()

    def opened_body(self, stored: bytes) -> bytes:
        """Return a remembered answer, sealed or not, as it was."""
        return self.opened_text(stored.decode()).encode() if stored.startswith(SEAL.encode()) else stored

    def is_text_due(self, stored: str) -> bool:
        """Whether a stored secret is not sealed as it would be now."""
        return self.newest is not None and not stored.startswith(f"{SEAL}{self.newest}:")

    def keyed(self, digest: str) -> str:
        """Return a digest of content that tells nothing to who lacks the key; itself without keys."""
        if self._digest_key is None:
            return digest
        return blake2b(digest.encode(), key=self._digest_key, digest_size=16).hexdigest()

    def veiled(self, reason: str) -> str:
        """Return why something was refused, without the values where it is about an encrypted trait."""
        about = self.names and (
            "traits[...]" in reason
            or any(re.search(rf"traits\.{re.escape(name)}\b", reason) for name in self.names)
        )
        return _QUOTED.sub("…", reason) if about else reason

    def _open(self, value: Json) -> Any:
        return msgspec.json.decode(self._decrypted(value["key"], value["sealed"]))

    def _decrypted(self, fingerprint: str, token: str) -> bytes:
        fernet = self._fernets.get(fingerprint)
        if fernet is None:
            raise TraitsLocked(locked([fingerprint]))
        try:
            return fernet.decrypt(token)
        except InvalidToken:
            raise TraitsLocked(
                f"an encrypted value is damaged: it does not open with its key, {fingerprint}. Restore it "
                "from a backup, store the profile's traits anew, or rotate the webhook's secret"
            ) from None


def locked(fingerprints: Collection[str]) -> str:
    """Say which keys are missing, by their fingerprints."""
    return (
        "traits or secrets in the store are encrypted with a key that PITCHWRIGHT_TRAIT_KEYS lacks "
        f"(fingerprint {', '.join(sorted(fingerprints))}): add it to the end of the list; once "
        "`pitchwright traits rotate` is done with it, it can be taken out"
    )


def _fingerprint(key: str) -> str:
    """Name a key without telling it: 16 hex digits of a hash of 256 random bits."""
    return blake2b(key.encode(), digest_size=FINGERPRINT_BYTES, person=b"trait keys").hexdigest()


def _is_sealed(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict)


_NO_VAULT = Vault()
_VAULTS: WeakKeyDictionary[Dialect, Vault] = WeakKeyDictionary()
"""Of each database: what its columns seal with."""


def entrust(dialect: Dialect, vault: Vault) -> None:
    """Let every column of a database seal and open with this vault."""
    _VAULTS[dialect] = vault


class SealedTraits(TypeDecorator[Json]):
    """A JSON column of traits, some of them sealed."""

    impl = String
    cache_ok = True

    def __init__(self, stored_as: TypeEngine[Any]) -> None:
        super().__init__()
        self.stored_as = stored_as

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Store it as JSON is stored."""
        del dialect
        return self.stored_as

    def process_bind_param(self, value: Json | None, dialect: Dialect) -> Json | None:
        """Seal."""
        return None if value is None else _VAULTS.get(dialect, _NO_VAULT).sealed(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Json | None:
        """Open."""
        return None if value is None else _VAULTS.get(dialect, _NO_VAULT).opened(value)


class KeyedDigest(TypeDecorator[str]):
    """A column of digests of what may be sealed."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Key it."""
        return None if value is None else _VAULTS.get(dialect, _NO_VAULT).keyed(value)


class SealedText(TypeDecorator[str]):
    """A column of texts that are secrets."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal."""
        return None if value is None else _VAULTS.get(dialect, _NO_VAULT).sealed_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Open."""
        return None if value is None else _VAULTS.get(dialect, _NO_VAULT).opened_text(value)
