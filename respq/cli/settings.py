"""Where settings come from: flags, the environment, a file. Reads; decides nothing.

What a value means and which names there are is said in config.py alone.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from respq.config import Settings, read_setting
from respq.errors import BadSetting

ENVIRONMENT_PREFIX = "RESPQ_"
CONFIG_VARIABLE = "RESPQ_CONFIG"
"""Names the file; the one variable with the prefix that is no setting."""
DEFAULT_FILE = "respq.toml"
"""Read from the working directory if it is there."""


def resolve_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str], config: str | None
) -> Settings:
    """Return the settings of a server: flags, then environment, then file, then defaults.

    Args:
        flags: by name; only those that were given.
        environ: the process environment.
        config: the settings file that was asked for; None for ``respq.toml``, if it is there.

    Raises:
        BadSetting: for an unknown name or a value that cannot be used.
    """
    return Settings.resolve(
        flags, from_environment(environ), from_file(config or environ.get(CONFIG_VARIABLE))
    )


def given(name: str, environ: Mapping[str, str], config: str | None = None) -> Any:
    """Return one setting by itself, for commands that need no complete and valid set."""
    for source in (
        from_environment(environ),
        from_file(config or environ.get(CONFIG_VARIABLE)),
    ):
        if name in source:
            return read_setting(name, source[name])
    return next(each.default for each in fields(Settings) if each.name == name)


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings among the variables of ``environ``.

    Raises:
        BadSetting: for a variable with our prefix that is no setting: a misspelt one would
            otherwise be a limit that someone believes in.
    """
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if variable != variable.upper() or not _known(name):
            near = _nearest(name)
            hint = ENVIRONMENT_PREFIX + near.upper() if near else ""
            raise BadSetting(_unknown("environment variable", variable, hint))
        found[name] = value
    return found


def from_file(path: str | None) -> dict[str, Any]:
    """Return the settings in a TOML file; none if ``path`` is None and the default is absent.

    Raises:
        BadSetting: for a file that cannot be read, or a key that is no setting.
    """
    file = Path(path or DEFAULT_FILE)
    if path is None and not file.exists():
        return {}
    try:
        with file.open("rb") as stream:
            found = tomllib.load(stream)
    except OSError as fault:
        raise BadSetting(f"cannot read the settings file {file}: {fault.strerror}") from fault
    except ValueError as fault:
        raise BadSetting(f"the settings file {file} is not TOML: {fault}") from fault
    for name, value in found.items():
        if not _known(name):
            raise BadSetting(_unknown(f"key in {file}", name, _nearest(name)))
        if isinstance(value, (dict, list)):
            raise BadSetting(f"'{name}' in {file} takes one value, not a table or an array")
    return found


def _known(name: str) -> bool:
    return any(each.name == name for each in fields(Settings))


def _nearest(name: str) -> str:
    """Return the setting that was probably meant, or an empty text."""
    names = [each.name for each in fields(Settings)]
    return next(iter(difflib.get_close_matches(name, names, 1)), "")


def _unknown(kind: str, name: str, hint: str) -> str:
    meant = f"did you mean '{hint}'?" if hint else "`respq serve --help` lists the settings"
    return f"unknown {kind} '{name}': {meant}"
