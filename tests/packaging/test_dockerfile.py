"""What can be said of the image without building it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from respq.cli.settings import from_environment, resolve_settings
from respq.config import Settings
from respq.errors import BadSetting
from tests.requirements import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def environment() -> dict[str, str]:
    return dict(re.findall(r"\b(RESPQ_\w+)=(\S+?)(?: \\)?$", DOCKERFILE, re.M))


def test_its_variables_are_settings() -> None:
    assert from_environment(environment()) == {
        "host": "0.0.0.0",
        "http_host": "0.0.0.0",
        "data_dir": "/data/journal",
    }


def test_it_does_not_start_open_to_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(BadSetting, match="RESPQ_PASSWORD"):
        resolve_settings({}, environment(), None)

    resolve_settings({}, {**environment(), "RESPQ_PASSWORD": "secret"}, None)
    resolve_settings({"protected_mode": False}, environment(), None)


def test_it_exposes_the_default_ports() -> None:
    assert f"EXPOSE {Settings().port} {Settings().http_port}\n" in DOCKERFILE


def test_it_gives_up_root_before_it_runs() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]

    assert re.findall(r"^(USER|ENTRYPOINT|CMD|VOLUME) (.*)", last_stage, re.M) == [
        ("USER", "respq"),
        ("VOLUME", "/data"),
        ("ENTRYPOINT", '["respq"]'),
        ("CMD", '["serve"]'),
    ]
    assert re.search(r'^HEALTHCHECK .* CMD \["respq", "health"\]$', last_stage, re.M)


def test_what_it_copies_is_let_through_by_dockerignore() -> None:
    admitted = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.M))
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.M)

    assert {name for names in copied for name in names.split()} == admitted
