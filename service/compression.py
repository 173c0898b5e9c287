"""Bodies that came compressed, read without ever holding more than a body may be."""

import zlib

from service.errors import InvalidInput, TooLarge

_GZIP_WINDOW = 31
"""zlib's way to say: gzip's header and checksum, the largest window."""


def is_plain(encoding: str) -> bool:
    """Whether a `Content-Encoding` means nothing; raises InvalidInput for one that is not read here."""
    name = encoding.strip().lower()
    if name not in {"", "identity", "gzip", "x-gzip"}:
        raise InvalidInput(f"Content-Encoding {encoding[:40]!r} is not read here: send gzip, or none")
    return name in {"", "identity"}


def inflated(body: bytes, most: int) -> bytes:
    """Undo gzip; CPU work. No more than `most` bytes and one are ever made of it.

    Raises TooLarge when more would come out, InvalidInput for what is no gzip, is damaged or is cut off.
    """
    parts, room, rest = list[bytes](), most, body
    while rest:
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            part = member.decompress(rest, room + 1)
        except zlib.error as error:
            raise InvalidInput(f"the body is no gzip ({error}), as Content-Encoding says it is") from None
        if len(part) > room:
            raise TooLarge(f"the body unpacks to more than {most:,} bytes: send less, in several requests")
        if not member.eof:
            raise InvalidInput("the body's gzip is cut off: send it whole")
        parts.append(part)
        room -= len(part)
        rest = member.unused_data.lstrip(b"\0")
    return b"".join(parts)
