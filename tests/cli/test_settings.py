from __future__ import annotations

from pathlib import Path

import pytest

from respq.cli.settings import from_environment, from_file, given, resolve_settings
from respq.config import Settings
from respq.errors import BadSetting


@pytest.fixture(autouse=True)
def _empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def test_without_any_source_every_setting_is_its_default() -> None:
    assert resolve_settings({}, {"PATH": "/bin"}, None) == Settings()


def test_a_flag_goes_before_the_environment_and_that_before_the_file() -> None:
    write("respq.toml", "port = 1\nhttp_port = 1\nmaxclients = 1")
    environ = {"RESPQ_PORT": "2", "RESPQ_HTTP_PORT": "2"}

    settings = resolve_settings({"port": "3"}, environ, None)

    assert (settings.port, settings.http_port, settings.maxclients) == (3, 2, 1)


def test_the_file_may_be_named_by_the_environment_and_by_a_flag() -> None:
    write("respq.toml", "port = 1")
    environ = {"RESPQ_CONFIG": write("second.toml", "port = 2")}

    assert resolve_settings({}, environ, None).port == 2
    assert resolve_settings({}, environ, write("third.toml", "port = 3")).port == 3


def test_a_file_gives_booleans_numbers_and_text_with_units() -> None:
    write("respq.toml", 'http = false\nport = 7000\npayload_bytes_max = "1mb"\nfsync = "no"')

    settings = resolve_settings({}, {}, None)

    assert settings.http is False
    assert (settings.port, settings.payload_bytes_max, settings.fsync) == (7000, 1_048_576, "no")


def test_a_file_that_was_asked_for_must_be_there() -> None:
    with pytest.raises(BadSetting, match=r"cannot read the settings file absent\.toml: No such"):
        from_file("absent.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = ", "respq.toml is not TOML"),
        ("prot = 1", "unknown key in respq.toml 'prot': did you mean 'port'?"),
        ("[server]\nport = 1", "unknown key in respq.toml 'server'"),
        ("port = [1, 2]", "'port' in respq.toml takes one value"),
        ("[port]\nx = 1", "'port' in respq.toml takes one value"),
        ("port = 1.5", "port is a number"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_name(text: str, message: str) -> None:
    write("respq.toml", text)

    with pytest.raises(BadSetting) as refused:
        resolve_settings({}, {}, None)

    assert message in str(refused.value)


def test_a_file_that_is_not_text_is_refused() -> None:
    Path("respq.toml").write_bytes(b"port = \xff")

    with pytest.raises(BadSetting, match="is not TOML"):
        from_file(None)


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("RESPQ_PROT", "did you mean 'RESPQ_PORT'?"),
        ("RESPQ_Port", "did you mean 'RESPQ_PORT'?"),
        ("RESPQ_", "`respq serve --help` lists the settings"),
    ],
)
def test_a_misspelt_variable_is_refused(variable: str, hint: str) -> None:
    with pytest.raises(BadSetting) as refused:
        from_environment({variable: "1"})

    assert str(refused.value) == f"unknown environment variable '{variable}': {hint}"


def test_variables_of_others_are_none_of_our_business() -> None:
    assert from_environment({"RESPQPORT": "1", "PORT": "2", "respq_port": "3"}) == {}


def test_one_setting_can_be_read_where_the_whole_is_contradictory() -> None:
    environ = {"RESPQ_HOST": "0.0.0.0", "RESPQ_HTTP_PORT": "9000"}
    with pytest.raises(BadSetting, match="without a password"):
        resolve_settings({}, environ, None)

    assert given("http_port", environ) == 9000
    assert given("http_host", environ) == "127.0.0.1"


def test_one_setting_is_read_from_the_file_too() -> None:
    write("respq.toml", 'data_dir = "elsewhere"')

    assert given("data_dir", {}) == "elsewhere"
    assert given("data_dir", {"RESPQ_DATA_DIR": "here"}) == "here"
