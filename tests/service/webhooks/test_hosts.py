"""Where webhooks are never sent: addresses that are not public, however they are written."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput, SettingsError
from service.settings import Settings, load_settings
from service.webhooks.hosts import checked_addresses, checked_url, host_of, refusal

PRIVATE = (
    "0.0.0.0",  # noqa: S104 -- refused is what it is
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2001:0:0:1::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::5",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
)
PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused_however_it_is_wrapped(address: str):
    assert refusal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_not(address: str):
    assert refusal(address) is None


@given(
    st.sampled_from(["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]),
    st.integers(0, 2**32 - 1),
)
def test_a_private_address_stays_private_inside_ipv6(network: str, number: int):
    whole = ip_network(network)
    plain = IPv4Address(int(whole.network_address) + number % whole.num_addresses)
    inside = (
        (0xFFFF << 32) | int(plain),
        (0x2002 << 112) | (int(plain) << 80),
        (0x64FF9B << 96) | int(plain),
    )
    assert refusal(str(plain))
    assert [str(wrapped) for wrapped in map(IPv6Address, inside) if not refusal(str(wrapped))] == []


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/hook",
        "ftp://crm.example/hook",
        "file:///etc/passwd",
        "https:///hook",
        "crm.example/hook",
        "",
        "https://crm.example:8443/hook",
        "https://user:pass@crm.example/hook",
        "https://crm.example/hook#part",
        "https://crm.example/a b",
        "https://crm.example/\x00",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://crm.example/" + "x" * 2000,
        "https://crm.example:99999/",
        "https://%31.example/",
        "https://a..b/",
        "https://" + "a" * 64 + ".example/",
    ],
)
def test_a_url_that_may_not_be_sent_to_is_refused_at_once(url: str):
    with pytest.raises(InvalidInput, match="cannot be a webhook's"):
        checked_url(url, Settings())


def test_only_listed_hosts_are_sent_to_when_any_are_listed():
    settings = Settings(webhook_hosts=("crm.example", "*.hooks.example", "ports.example:8443"))
    for url in ("https://CRM.example./x", "https://a.b.hooks.example/", "https://ports.example:8443/"):
        assert host_of(checked_url(url, settings))
    for url in (
        "https://evil.example/",
        "https://hooks.example/",
        "https://crm.example.evil.example/",
        "https://evilhooks.example/",
        "https://crm.example:8443/",
        "https://ports.example/",
    ):
        with pytest.raises(InvalidInput, match="none of PITCHWRIGHT_WEBHOOK_HOSTS"):
            checked_url(url, settings)
    with pytest.raises(InvalidInput, match="loopback"):
        checked_url("https://127.0.0.1/", Settings(webhook_hosts=("127.0.0.1",)))


def test_a_host_listed_as_private_may_be_so_on_its_own_port_only():
    settings = Settings(webhook_private_hosts=("127.0.0.1:9000", "crm.internal", "[::1]:9000"))
    for url in (
        "http://127.0.0.1:9000/x",
        "https://crm.internal/",
        "http://crm.internal/",
        "http://[::1]:9000",
    ):
        assert checked_url(url, settings)
    for url in ("http://127.0.0.1/x", "http://127.0.0.1:9001/", "http://crm.internal:9000/", "http://[::1]/"):
        with pytest.raises(InvalidInput):
            checked_url(url, settings)


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, ...]) -> list[str]:
    """Let names resolve to each of these in turn; gives the names that were asked for."""
    asked: list[str] = []
    turns: Iterator[tuple[str, ...]] = iter(answers)

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in next(turns)]

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    return asked


async def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch):
    resolving(monkeypatch, ("1.1.1.1", "10.0.0.1"), ("1.1.1.1", "1.1.1.1", "8.8.8.8"), ("10.0.0.1",))
    url = httpx.URL("https://crm.example/")
    with pytest.raises(InvalidInput, match=r"crm\.example has the address 10\.0\.0\.1, which is private"):
        await checked_addresses(url, Settings())
    assert await checked_addresses(url, Settings()) == ("1.1.1.1", "8.8.8.8")
    private = Settings(webhook_private_hosts=("crm.example",))
    assert await checked_addresses(url, private) == ("10.0.0.1",)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "017700000001", "localhost", "LOCALHOST."])
async def test_other_ways_to_write_this_machine_are_seen_when_they_are_resolved(host: str):
    url = checked_url(f"https://{host}/", Settings())
    with pytest.raises((InvalidInput, OSError)):
        await checked_addresses(url, Settings())


def test_a_list_of_hosts_that_is_none_is_refused_as_a_setting(tmp_path: Any):
    named = {"PITCHWRIGHT_WEBHOOK_HOSTS": "crm.example, *.hooks.example:8443"}
    assert load_settings(named, tmp_path).webhook_hosts == ("crm.example", "*.hooks.example:8443")
    for entry in ("https://crm.example", "crm.example/x", "a.*.example", "*", "crm.example:port"):
        with pytest.raises(SettingsError, match="WEBHOOK_HOSTS"):
            load_settings({"PITCHWRIGHT_WEBHOOK_HOSTS": entry}, tmp_path)
