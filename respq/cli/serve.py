"""``respq serve``: every field of `Settings` is a flag."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

import click

from respq.cli.settings import resolve_settings
from respq.config import MIB, Settings
from respq.errors import BadSetting, StartRefused

BAD_USAGE, REFUSED = 2, 1
"""Exit statuses, as of other commands: asked wrongly, and could not be done."""

_Command = Callable[..., None]


def _flags(command: _Command) -> _Command:
    """Add one flag for each setting; click keeps the help text of every one."""
    for each in reversed(fields(Settings)):
        command = _flag(each)(command)
    return command


def _flag(setting: Field[Any]) -> Callable[[_Command], _Command]:
    name = setting.name.replace("_", "-")
    # No default and no type for click: None says that a flag was not given, and values
    # are read by config.py, so that a flag and a variable refuse in the same words.
    if isinstance(setting.default, bool):
        return click.option(
            f"--{name}/--no-{name}", setting.name, default=None, help=_help(setting)
        )
    return click.option(f"--{name}", setting.name, metavar=_metavar(setting), help=_help(setting))


def _metavar(setting: Field[Any]) -> str:
    if setting.metadata["choices"]:
        return "|".join(setting.metadata["choices"])
    if setting.metadata["unit"]:
        return str(setting.metadata["unit"]).upper()
    return "NUMBER" if isinstance(setting.default, int) else "TEXT"


def _help(setting: Field[Any]) -> str:
    return f"{setting.metadata['doc']}  [default: {_shown(setting)}]"


def _shown(setting: Field[Any]) -> str:
    """Return the default of a setting in the form in which it could be given."""
    value: Any = setting.default
    if isinstance(value, bool):
        return "yes" if value else "no"
    if setting.metadata["unit"] == "bytes" and value % MIB == 0:
        return f"{value // MIB}mb"
    return str(value) or "none"


@click.command(context_settings={"max_content_width": 100})
@_flags
@click.option("--config", metavar="FILE", help="settings file  [default: respq.toml, if present]")
def serve(config: str | None, **flags: Any) -> None:
    """Start the server.

    A setting is taken from its flag, else from its RESPQ_* variable, else from respq.toml,
    else it is the default. Durations take ms, s, m, h or d, sizes kb, mb or gb. A password
    is safer in RESPQ_PASSWORD than in a flag, which everyone on the machine can read.
    """
    try:
        settings = resolve_settings(
            {name: value for name, value in flags.items() if value is not None},
            os.environ,
            config,
        )
        # Not at the top: `respq health` runs every few seconds and needs no server code.
        from respq.server.app import run

        status = run(settings)
    except BadSetting as refusal:
        click.echo(f"respq: {refusal}", err=True)
        raise SystemExit(BAD_USAGE) from None
    except StartRefused as refusal:
        click.echo(f"respq: {refusal}", err=True)
        raise SystemExit(REFUSED) from None
    raise SystemExit(status)
