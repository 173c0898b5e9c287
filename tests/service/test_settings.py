"""Settings: two sources, one frozen value, no unknown names, no secrets shown."""

import contextlib
from pathlib import Path

import msgspec
import pytest

from service.errors import SettingsError
from service.settings import Settings, documentation, load_settings


def test_without_anything_the_defaults_hold(tmp_path: Path):
    assert load_settings({}, tmp_path) == Settings()
    assert Settings().store_url == "sqlite:///var/pitchwright.db"


def test_variables_win_over_the_file_and_both_are_converted(tmp_path: Path):
    (tmp_path / "pitchwright.toml").write_text(
        'port = 9000\ndata_dir = "d"\nengine_languages = ["en", "de"]\n'
    )
    environ = {"PITCHWRIGHT_PORT": "8123", "PITCHWRIGHT_ENGINE_TIMEOUT_SECONDS": "2.5", "PATH": "/bin"}
    settings = load_settings(environ, tmp_path)
    assert (settings.port, settings.data_dir, settings.engine_timeout_seconds) == (8123, "d", 2.5)
    assert settings.engine_languages == ("en", "de")
    assert load_settings({"PITCHWRIGHT_ENGINE_LANGUAGES": "fr, it"}, tmp_path).engine_languages == (
        "fr",
        "it",
    )


def test_an_empty_variable_counts_as_not_set(tmp_path: Path):
    assert load_settings({"PITCHWRIGHT_PORT": " "}, tmp_path).port == 8000


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("PITCHWRIGHT_DATABSE_URL", "PITCHWRIGHT_DATABASE_URL"),
        ("PITCHWRIGHT_data_dir", "PITCHWRIGHT_DATA_DIR"),
        ("PITCHWRIGHT_ENGIN_URL", "PITCHWRIGHT_ENGINE_URL"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_one(tmp_path: Path, name: str, nearest: str):
    with pytest.raises(SettingsError, match=f"'{name}': did you mean {nearest}"):
        load_settings({name: "x"}, tmp_path)


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_known_one(tmp_path: Path):
    (tmp_path / "pitchwright.toml").write_text("prot = 1\n")
    with pytest.raises(SettingsError, match=r"'prot': did you mean port\?"):
        load_settings({}, tmp_path)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "0"),
        ("PORT", "http"),
        ("ENGINE_TIMEOUT_SECONDS", "-1"),
        ("LOG_LEVEL", "loud"),
        ("ENGINE_DIALECT", "klingon"),
        ("WORKSPACE", "../etc"),
        ("EXECUTOR_THREADS", "1e9"),
        ("INDEX_MEMORY_MIB", "0"),
        ("INDEX_MEMORY_MIB", "1.5"),
    ],
)
def test_a_value_that_does_not_fit_is_quoted_with_its_variable(tmp_path: Path, variable: str, value: str):
    with pytest.raises(SettingsError, match=f"PITCHWRIGHT_{variable} is '{value}'"):
        load_settings({f"PITCHWRIGHT_{variable}": value}, tmp_path)


@pytest.mark.parametrize("text", ["port =", "port = 99999", "port = '8000x'", "\x00"])
def test_a_broken_file_is_named(tmp_path: Path, text: str):
    (tmp_path / "pitchwright.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"pitchwright\.toml"):
        load_settings({}, tmp_path)


def test_secrets_are_never_shown(tmp_path: Path):
    settings = load_settings(
        {
            "PITCHWRIGHT_ENGINE_API_KEY": "s3cret-key",
            "PITCHWRIGHT_DATABASE_URL": "postgresql://me:s3cret-pw@db/x",
            "PITCHWRIGHT_ENGINE_URL": "https://u:s3cret-u@host:1/v1",
        },
        tmp_path,
    )
    assert "s3cret" not in repr(settings) + str(settings) + repr(settings.__rich_repr__())
    assert "me:***@db/x" in repr(settings)
    assert settings.engine_api_key == "s3cret-key"


def test_settings_cannot_be_changed_after_reading():
    with pytest.raises(AttributeError):
        Settings().port = 1  # pyright: ignore[reportAttributeAccessIssue] # the mistake meant


def test_every_setting_says_what_it_is_for():
    documented = documentation()
    assert [each.name for each in documented] == [field.name for field in msgspec.structs.fields(Settings)]
    assert all(each.text.endswith(".") and each.variable.isupper() for each in documented)


def test_every_setting_can_be_set(tmp_path: Path):
    for entry in documentation():
        set_to: set[object] = set()
        for text in ("30", "3000", "info", "full", "vllm", "3", "false"):
            with contextlib.suppress(SettingsError):
                set_to.add(getattr(load_settings({entry.variable: text}, tmp_path), entry.name))
        assert set_to, entry.variable


@pytest.mark.parametrize(
    "variable", ["SNAPSHOT_MAX_AGE_SECONDS", "SNAPSHOT_INTERVAL_SECONDS", "ENGINE_TIMEOUT_SECONDS"]
)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, variable: str, value: str):
    with pytest.raises(SettingsError, match=f"PITCHWRIGHT_{variable} is '{value}'"):
        load_settings({f"PITCHWRIGHT_{variable}": value}, tmp_path)
