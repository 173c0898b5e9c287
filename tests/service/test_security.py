"""Keys: random, well formed, compared whole; scopes: exact, `admin` above them."""

import pytest

from service.errors import Forbidden, Unauthenticated
from service.security import KEY, allows, matches, new_key, require_scope, split_key


def test_keys_are_well_formed_and_never_alike():
    keys = [new_key() for _ in range(200)]
    assert all(KEY.match(key.text) for key in keys)
    assert len({key.text for key in keys}) == len({key.secret_sha256 for key in keys}) == 200
    assert all(key.text not in repr(key) for key in keys)


def test_only_the_secret_a_digest_was_made_of_matches():
    key, other = new_key(), new_key()
    _, secret = split_key(key.text)
    assert matches(secret, key.secret_sha256)
    assert not matches(secret, other.secret_sha256)
    assert not matches(secret, None)
    assert not matches(key.secret_sha256, key.secret_sha256)


@pytest.mark.parametrize(
    "text", ["", "pw__", "pw_short_1", "pw_abcdefgh_" + "g" * 48, f"pw_abcdefgh_{'0' * 48}\n"]
)
def test_what_is_no_key_is_refused_without_being_quoted(text: str):
    with pytest.raises(Unauthenticated) as caught:
        split_key(text)
    assert text == "" or text not in str(caught.value)


def test_admin_opens_everything_and_others_only_their_own():
    assert allows(["admin"], "crm")
    assert allows(["crm"], "crm")
    assert not allows(["crm", "batch"], "copy")
    require_scope(["batch"], "crm", "batch")
    with pytest.raises(Forbidden, match="scope admin; this key has batch, crm"):
        require_scope(["crm", "batch"], "admin")
