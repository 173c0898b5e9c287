"""ETags of versioned things: the version in quotes, and what `If-Match` says of it."""

import re
from typing import Annotated

from litestar.params import HeaderParameter

from service.errors import PreconditionFailed, PreconditionMissing

_ETAG = re.compile(r'"?(\d{1,18})"?')

IfMatch = Annotated[str | None, HeaderParameter(name="If-Match", description='The ETag, e.g. `"3"`, or `*`.')]


def etag(version: int) -> str:
    """Write a version as an ETag."""
    return f'"{version}"'


def digest_expected(if_match: str | None) -> str | None:
    """Read the digest out of an If-Match that may be left out; none when any version will do."""
    return None if if_match is None or if_match.strip() == "*" else if_match.strip().strip('"')


def matched(if_match: str | None, thing: str) -> int | None:
    """Read the version out of If-Match; none for `*`. Raises PreconditionMissing and PreconditionFailed."""
    if if_match is None:
        raise PreconditionMissing('send If-Match with the ETag the change was made from, e.g. If-Match: "3"')
    if if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise PreconditionFailed(f"If-Match {if_match[:80]!r} is no ETag of a {thing}: get the {thing} again")
    return int(found[1])
