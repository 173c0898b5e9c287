"""Prompts of a workspace, as values: what is used, what was changed when, and what a change says."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from prompts.engine import Dialect

Revision = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]

Origin = Literal["shipped", "folder", "workspace"]
"""Where the prompt in use comes from: this package, the operator's folder, or the workspace itself."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt of a workspace: what is used for a channel in a dialect."""

    name: str
    """Channel and dialect: `email.full`."""
    prompt: str
    """Name and version as provenance records them: `email/full.v1`."""
    version: int
    channel: str
    dialect: Dialect
    purpose: str
    digest: str
    """sha256 of the file and its partials, hex, first 16 digits, as provenance records it."""
    origin: Origin
    revision: int
    """How often the workspace has changed it, the ETag; 0 is never."""


class PromptText(Prompt, frozen=True, kw_only=True):
    """One prompt with everything it is made of."""

    source: str
    """The template's text: front matter, then Jinja2."""
    partials: dict[str, str]
    """Every partial it includes, by name, as it stood when the prompt was stored."""


class NewPrompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next version of a prompt."""

    source: str
    partials: dict[str, str] = {}
    """Partials of its own, `partials/voice.v1.j2`, before those that are shipped or in the folder."""
    note: str = ""
    """Why, for people."""


class Rollback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which earlier state to go back to."""

    revision: Revision
    """A revision of the history; 0 is what is shipped or in the folder."""
    note: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change a workspace made to a prompt."""

    revision: int
    """1 for the first, one more with each."""
    prompt: str | None
    """What it put in use, `email/full.v2`; none went back to what is shipped or in the folder."""
    digest: str | None
    note: str
    created_at: datetime
    restored: int | None = None
    """The revision a rollback went back to."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One change as it is kept: with the texts."""

    name: str
    revision: int
    version: int | None
    digest: str | None
    """Of 64 hex digits."""
    source: str | None
    """None for a change that went back to what is shipped or in the folder."""
    partials: dict[str, str]
    note: str
    created_at: datetime
    restored: int | None = None
