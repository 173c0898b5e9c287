"""Signatures, worked out a second time by hand; and by the library that receivers use."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.model import (
    JITTER,
    LONGEST_PAUSE,
    RETRIES,
    Due,
    Event,
    new_secret,
    pause_after,
    signature,
    signed_headers,
)

NOW = datetime(2026, 11, 22, 12, 0, 0, 900_000, tzinfo=UTC)
EVENT = Event(type="campaign.done", timestamp=NOW, data={"campaign": "Frühling 🌱"})


def due(*secrets: str) -> Due:
    return Due(id="msg_1", attempt=1, url="https://crm.example", body=EVENT.body().encode(), secrets=secrets)


def test_the_signature_of_the_specification():
    """The example of the specification and its libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(max_size=200), st.binary(min_size=24, max_size=64), st.integers(0, 2**33))
def test_it_is_the_mac_of_id_time_and_body(body: bytes, key: bytes, timestamp: int):
    secret = "whsec_" + base64.b64encode(key).decode()
    version, _, encoded = signature(secret, "msg_1", timestamp, body).partition(",")
    by_hand = hmac.digest(key, b"msg_1." + str(timestamp).encode() + b"." + body, hashlib.sha256)
    assert (version, base64.b64decode(encoded)) == ("v1", by_hand)


def test_a_body_is_type_timestamp_and_data():
    assert msgspec.json.decode(EVENT.body()) == {
        "type": "campaign.done",
        "timestamp": "2026-11-22T12:00:00.900000Z",
        "data": {"campaign": "Frühling 🌱"},
    }


def test_a_secret_has_256_bits_and_is_shown_by_no_repr():
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret != new_secret()
    assert secret not in repr(due(secret))


def test_the_library_of_receivers_verifies_it_by_either_secret_while_a_rotation_overlaps():
    webhooks = pytest.importorskip("standardwebhooks", reason="the extra `dev` has it")
    new, former = new_secret(), new_secret()
    sent = due(new, former)
    headers = signed_headers(sent, datetime.now(UTC))
    for secret in (new, former):
        assert webhooks.Webhook(secret).verify(sent.body, headers) == msgspec.json.decode(sent.body)
    for wrong in (
        {**headers, "webhook-id": "msg_2"},
        {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
        signed_headers(sent, datetime.now(UTC) - timedelta(minutes=6)),
        signed_headers(due(new_secret()), datetime.now(UTC)),
    ):
        with pytest.raises(webhooks.WebhookVerificationError):
            webhooks.Webhook(new).verify(sent.body, wrong)


@given(st.integers(1, 12), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, allow_nan=False))
def test_pauses_grow_are_spread_and_end(attempt: int, chance: float, asked: float | None):
    pause = pause_after(attempt, chance, asked)
    if attempt > len(RETRIES):
        assert pause is None
        return
    planned = RETRIES[attempt - 1]
    assert pause is not None
    assert planned <= pause <= max(planned * (1 + JITTER), LONGEST_PAUSE)
    assert pause >= min(timedelta(seconds=min(asked or 0, 1e6)), LONGEST_PAUSE)


def test_the_schedule_is_ten_tries_from_seconds_to_a_day():
    assert len(RETRIES) == 9
    assert list(RETRIES) == sorted(RETRIES)
    assert (RETRIES[0], RETRIES[-1]) == (timedelta(seconds=5), timedelta(days=1))
    assert timedelta(days=2) < sum(RETRIES, timedelta()) < timedelta(days=4)
