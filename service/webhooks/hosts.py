"""Which hosts may be sent to: named by the settings, public by their addresses, checked before each try.

A webhook's URL comes from outside and is asked from inside, where much answers that was never meant to be
asked (server-side request forgery). So a name is resolved once, every address it has must be public, and
the connection goes to the address that was looked at: a name that resolves to another one a moment later
(DNS rebinding) gains nothing. Hosts in `PITCHWRIGHT_WEBHOOK_PRIVATE_HOSTS` are the operator's own word.
"""

import asyncio
import re
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from service.errors import InvalidInput
from service.settings import Settings

LONGEST_URL = 2_000
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
PORTS = {"https": 443, "http": 80}
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
_SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")))
"""Of IANA's registries, what some releases of Python take for public; tunnels (Teredo) among it."""


def checked_url(url: str, settings: Settings) -> httpx.URL:
    """Return a URL that may be sent to, as far as can be said without asking for its addresses.

    https with the usual port, or what a setting lists. Raises `InvalidInput` and says which rule it breaks.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise _refused(url, str(error)) from None
    host, port = host_of(parsed), parsed.port or PORTS.get(parsed.scheme)
    if len(url) > LONGEST_URL or not url.isprintable() or " " in url:
        raise _refused(url, f"a URL has at most {LONGEST_URL:,} printable characters, without spaces")
    literal = _literal(host)
    if parsed.scheme not in PORTS or port is None or not (literal or _NAME.fullmatch(host)):
        raise _refused(url, "write it as https://HOST/PATH")
    if parsed.userinfo or parsed.fragment:
        raise _refused(url, "it may hold neither a user nor a fragment")
    if is_private_host(host, port, settings):
        return parsed
    if parsed.scheme != "https":
        raise _refused(url, "use https; PITCHWRIGHT_WEBHOOK_PRIVATE_HOSTS may list hosts for plain http")
    allowed = settings.webhook_hosts
    if allowed and not any(_covers(entry, host, port) for entry in allowed):
        raise _refused(url, f"{host}:{port} is none of PITCHWRIGHT_WEBHOOK_HOSTS")
    if port != PORTS["https"] and not allowed:
        raise _refused(url, f"port {port} is not 443: list {host}:{port} in PITCHWRIGHT_WEBHOOK_HOSTS")
    if literal is not None and (why := refusal(literal)):
        raise _refused(url, f"the address is {why}")
    return parsed


async def checked_addresses(url: httpx.URL, settings: Settings) -> tuple[str, ...]:
    """Resolve a URL's host, once, into addresses to connect to, the preferred first.

    Raises `InvalidInput` when any of them is not public, unless the host is listed as private, and `OSError`
    for a name that does not resolve.
    """
    host, port = host_of(url), url.port or PORTS[url.scheme]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    addresses = tuple(dict.fromkeys(str(info[4][0]) for info in found))
    if is_private_host(host, port, settings):
        return addresses
    for address in addresses:
        if why := refusal(address):
            raise InvalidInput(f"{host} has the address {address}, which is {why}: nothing is sent there")
    return addresses


def refusal(address: str) -> str | None:
    """Say why an IP address is not public; none when it is. Looks into IPv4 that is wrapped in IPv6."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        wrapped = _wrapped(ip)
        if wrapped is not None:
            return refusal(str(wrapped))
    kinds = {
        "unspecified": ip.is_unspecified,
        "loopback": ip.is_loopback,
        "link-local": ip.is_link_local,
        "multicast": ip.is_multicast,
        "private": ip.is_private,
        "reserved": ip.is_reserved or any(ip in each for each in _SPECIAL),
        "not public": not ip.is_global or (isinstance(ip, IPv6Address) and ip not in _UNICAST),
    }
    return next((kind for kind, applies in kinds.items() if applies), None)


def is_private_host(host: str, port: int, settings: Settings) -> bool:
    """Whether the operator lists the host by name as one that may be private, and plain http."""
    return any(_covers(entry, host, port) for entry in settings.webhook_private_hosts or ())


def host_of(url: httpx.URL) -> str:
    """Return the host as it is resolved: ASCII, lower case, without brackets and a dot at the end."""
    return url.raw_host.decode("ascii").lower().strip("[]").rstrip(".")


def _covers(entry: str, host: str, port: int) -> bool:
    wanted, only = _split(entry)
    if port not in ((only,) if only is not None else PORTS.values()):
        return False
    return host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted


def _split(entry: str) -> tuple[str, int | None]:
    """Split `HOST` or `HOST:PORT`; an IPv6 address stands in brackets."""
    host, colon, port = entry.lower().rpartition(":")
    if not colon or not port.isdecimal():
        return entry.lower().strip("[]"), None
    return host.strip("[]"), int(port)


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def _wrapped(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    return IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else None


def _refused(url: str, why: str) -> InvalidInput:
    return InvalidInput(f"url {url[:200]!r} cannot be a webhook's: {why}")
