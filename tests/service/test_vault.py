"""Keys of encrypted traits, and what an import sets aside when a trait is encrypted."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from service.cli import cli
from service.errors import SettingsError
from service.importing.actions import import_folder
from service.profiles.actions import get_profile, upsert_profiles
from service.profiles.model import Profile
from service.quality.actions import list_findings
from service.runtime import open_runtime
from service.settings import Settings, load_settings
from service.vault import Vault
from service.workspaces.actions import create_workspace

KEYS = [Fernet.generate_key().decode() for _ in range(2)]
NAMES = ("email", "phone")
SECRET = "quibbleworth@mail.example"
MAPPING = """\
profiles: {file: people.csv, id: id, traits: {email: Mail, city: town, age: {column: years, apply: [number]}}}
"""
PEOPLE = f"id,Mail,town,years\np-1,{SECRET},Leeds,40\n,{SECRET},York,41\np-3,{SECRET},Bath,{SECRET}\n"

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aé'\"\\\n☃", max_size=8)
)


@given(st.dictionaries(st.sampled_from([*NAMES, "city", "plan"]), scalars))
def test_what_is_sealed_opens_again_and_only_the_chosen_traits_are_sealed(traits: dict[str, Any]):
    vault = Vault(KEYS, NAMES)
    sealed = vault.sealed(traits)
    assert vault.opened(sealed) == traits
    assert {name for name in traits if isinstance(sealed[name], dict)} == traits.keys() & set(NAMES)
    assert not vault.is_due(sealed)
    assert Vault(KEYS[::-1], NAMES).is_due(sealed) is any(name in NAMES for name in traits)
    assert msgspec.json.decode(vault.shared(msgspec.json.encode(sealed).decode())) == {
        name: value for name, value in traits.items() if name not in NAMES
    }


@pytest.mark.parametrize(
    ("keys", "names", "words"),
    [
        ((KEYS[0], "hunter2"), NAMES, "key 2 of 2 is no Fernet key"),
        ((), ("email",), "PITCHWRIGHT_TRAIT_KEYS holds no key"),
        ((KEYS[0],), ("first_name",), "first_name: it cannot be encrypted"),
    ],
)
def test_keys_and_names_that_cannot_work_are_refused_without_telling_a_key(
    keys: tuple[str, ...], names: tuple[str, ...], words: str
):
    with pytest.raises(SettingsError, match=words) as caught:
        Vault(keys, names)
    assert not any(key in str(caught.value) for key in keys)


def test_keys_are_never_shown(tmp_path: Path):
    settings = load_settings({"PITCHWRIGHT_TRAIT_KEYS": ",".join(KEYS)}, tmp_path)
    assert settings.trait_keys == tuple(KEYS)
    assert not any(key in repr(settings) for key in KEYS)


def test_a_key_is_made_that_the_settings_take():
    made = CliRunner().invoke(cli, ["traits", "key"])
    assert made.exit_code == 0
    assert Vault([made.stdout.strip()], NAMES).newest is not None


def set_aside(path: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in Path(path).read_bytes().splitlines()]


async def test_what_an_import_or_a_request_refuses_does_not_quote_an_encrypted_trait(tmp_path: Path):
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    (tmp_path / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    settings = Settings(
        data_dir=str(tmp_path / "var"),
        trait_keys=tuple(KEYS),
        encrypted_traits=("email", "age"),
        executor_threads=2,
    )
    async with open_runtime(settings) as runtime:
        await create_workspace(runtime, "shop")
        done = await import_folder(runtime, "shop", tmp_path, tmp_path / "mapping.yaml")
        assert (done.profiles.stored, done.profiles.rejected) == (1, 2)
        assert (await get_profile(runtime, "shop", "p-1")).traits == {
            "email": SECRET,
            "city": "Leeds",
            "age": 40.0,
        }
        assert [each["raw"] for each in set_aside(str(done.rejects))] == [
            {"id": "", "Mail": "encrypted", "town": "York", "years": "encrypted"},
            {"id": "p-3", "Mail": "encrypted", "town": "Bath", "years": "encrypted"},
        ]
        longest = Profile(id="p-4", traits={"email": SECRET + "x" * 100_000})
        (reject,) = (await upsert_profiles(runtime, "shop", [longest])).rejects
        assert SECRET not in runtime.vault.veiled(reject.reason)
        assert SECRET not in str(await list_findings(runtime, "shop"))
    assert not holding(SECRET, tmp_path / "var")


def holding(secret: str, folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
