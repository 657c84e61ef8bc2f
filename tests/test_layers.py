"""Who may import whom, and what a pure layer may not touch.

The table is that of docs/architecture.md: a layer imports from those named, from itself, and
the version from the package's root. It is read from the source, so that an import inside a
function or for type checking counts like any other.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "respq"


@dataclass(frozen=True)
class Layer:
    imports: set[str] | None
    """Other layers; None for all."""
    libraries: set[str] = field(default_factory=set)
    is_pure: bool = False


LAYERS = {
    "errors": Layer(set(), is_pure=True),
    "config": Layer({"errors"}, is_pure=True),
    # The limits of a request have their home in config.
    "resp": Layer({"errors", "config"}, {"hiredis"}, is_pure=True),
    "engine": Layer({"errors", "config"}, {"sortedcontainers", "msgspec", "cronsim"}, is_pure=True),
    "broker": Layer({"errors", "config", "resp", "engine"}, {"lupa"}, is_pure=True),
    "handlers": Layer({"errors", "config", "resp", "engine", "broker"}, is_pure=True),
    "journal": Layer({"errors", "engine", "config"}, {"diskcache"}),
    # Of resp only the type of a reply: what is held is what the broker returned.
    "runtime": Layer({"errors", "engine", "broker", "journal", "config", "resp"}),
    "server": Layer(
        {"errors", "config", "resp", "engine", "broker", "handlers", "journal", "runtime", "http"},
        {"uvloop"},
    ),
    "http": Layer(
        {"errors", "engine", "broker", "runtime", "config"}, {"prometheus_client", "aiohttp"}
    ),
    # It judges the server, so it takes nothing from it.
    "check": Layer(set(), {"msgspec"}, is_pure=True),
    "cli": Layer(None, {"click", "hiredis", "msgspec"}),
    "__main__": Layer({"cli"}),
    "__init__": Layer(set()),
}
CLOCK = {"time"}
RANDOMNESS = {"random", "secrets", "uuid"}
THREADS = {"asyncio", "threading", "concurrent", "multiprocessing", "queue", "signal"}
INPUT_OUTPUT = {
    *("os", "io", "socket", "socketserver", "selectors", "select", "ssl", "http", "urllib"),
    *("sqlite3", "subprocess", "tempfile", "shutil", "pathlib", "mmap", "fcntl", "pickle"),
}
LOGGING = {"logging", "warnings"}
IMPURE_MODULES = CLOCK | RANDOMNESS | THREADS | INPUT_OUTPUT | LOGGING
IMPURE_BUILTINS = {"open", "print", "input", "exec", "eval", "breakpoint"}
IMPURE_METHODS = {"now", "utcnow", "today"}
"""Of datetime and date: the clock by another name."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            assert node.module is not None
            for alias in node.names:
                # `from respq import __version__` names the root, `from respq import x` a layer.
                is_layer = node.module == "respq" and alias.name in LAYERS
                yield f"respq.{alias.name}" if is_layer else node.module


def faults(path: Path) -> list[str]:
    """Return what a module does that its layer may not."""
    tree = ast.parse(path.read_text())
    name = layer_of(path)
    layer = LAYERS[name]
    found = []
    for imported in imports(tree):
        root, _, rest = imported.partition(".")
        target = rest.split(".")[0]
        if root == "respq":
            if target and target != name and layer.imports is not None:
                found += [f"imports {imported}"] * (target not in layer.imports)
        elif root in sys.stdlib_module_names:
            found += [f"imports {imported}"] * (layer.is_pure and root in IMPURE_MODULES)
        elif root not in layer.libraries:
            found.append(f"imports {imported}")
    return found + (impurities(tree) if layer.is_pure else [])


def impurities(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await():
                found.append(f"is async in line {node.lineno}")
            case ast.Call(func=ast.Name(id=called)) if called in IMPURE_BUILTINS:
                found.append(f"calls {called} in line {node.lineno}")
            case ast.Call(func=ast.Attribute(attr=called)) if called in IMPURE_METHODS:
                found.append(f"calls {called} in line {node.lineno}")
    return found


def documented(row: str) -> tuple[str, Layer]:
    """Read a row of the table in docs/architecture.md."""
    name, imported, libraries, pure, _ = (cell.strip() for cell in row.strip("|").split("|"))
    layers = None if imported == "all" else set(filter(None, imported.split(", ")))
    return name, Layer(layers, set(filter(None, libraries.split(", "))), pure == "yes")


def test_the_table_is_the_documented_one() -> None:
    lines = (PACKAGE.parent / "docs" / "architecture.md").read_text().splitlines()
    start = lines.index("| layer | imports | libraries | pure | what it is |") + 2
    rows = lines[start : lines.index("", start)]

    table = {name: layer for name, layer in LAYERS.items() if not name.startswith("__")}
    assert dict(map(documented, rows)) == table


def test_every_part_of_the_package_is_a_layer_of_the_table() -> None:
    assert {layer_of(path) for path in MODULES} <= set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_downward_and_a_pure_one_touches_nothing(path: Path) -> None:
    assert faults(path) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import time", "imports time"),
        ("from time import monotonic", "imports time"),
        ("def f():\n    import random", "imports random"),
        ("from respq.broker.call import Call", "imports respq.broker.call"),
        ("from respq import server", "imports respq.server"),
        ("import hiredis", "imports hiredis"),
        ("import logging.handlers", "imports logging.handlers"),
        ("async def f(): pass", "is async in line 1"),
        ("from datetime import datetime\ndatetime.now()", "calls now in line 2"),
        ("open('x')", "calls open in line 1"),
    ],
)
def test_what_an_engine_module_may_not_do_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, fault: str
) -> None:
    monkeypatch.setattr("tests.test_layers.PACKAGE", tmp_path)
    (tmp_path / "engine").mkdir()
    path = tmp_path / "engine" / "suspect.py"
    path.write_text(source)

    assert faults(path) == [fault]
