"""The house rules a machine can see: package files, module sizes, orphans, documentation that keeps up."""

import ast
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("service", "prompts", "indexing", "eval")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
READMES = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted(ROOT.glob("*/README.md"))])
LONGEST_MODULE = 400

# Modules nothing imports by name: started by a person, a server or Alembic.
ENTRY_POINTS = {"service.llm.pocket.__main__", "service.migrations.env"}


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [m for m in MODULES if m.name == "__init__.py"], ids=named)
def test_a_package_file_holds_a_docstring_only(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)


def test_every_folder_of_modules_is_a_package() -> None:
    assert [named(path.parent) for path in MODULES if not (path.parent / "__init__.py").exists()] == []


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_is_short_enough_to_be_one_room(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


def imported_names(path: Path) -> set[str]:
    """Everything a module imports, and every dotted name it mentions as text (lazy command tables)."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 120:
            names.add(node.value.partition(":")[0])
    return names


def test_no_module_is_an_orphan() -> None:
    used = set().union(*(imported_names(path) for path in MODULES))
    used |= {"service.cli"}  # the console script
    orphans = [
        dotted(path)
        for path in MODULES
        if path.name != "__init__.py"
        and dotted(path) not in used | ENTRY_POINTS
        and "migrations.versions" not in dotted(path)
    ]
    assert orphans == []


def test_every_setting_is_documented() -> None:
    from service.settings import Settings

    names = [f"PITCHWRIGHT_{field.name.upper()}" for field in msgspec.structs.fields(Settings)]
    assert [name for name in names if name not in READMES] == []


def test_every_command_is_documented() -> None:
    import click

    from service.cli import cli

    missing: list[str] = []

    def visit(command: click.Command, path: list[str]) -> None:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                visit(child, [*path, name])
        elif " ".join(path) not in READMES:
            missing.append(" ".join(path))

    visit(cli, ["pitchwright"])
    assert missing == []


def test_every_route_is_documented() -> None:
    from service.app import create_app
    from service.settings import Settings

    paths = {route.path_format for route in create_app(Settings()).routes}
    assert [
        path
        for path in sorted(paths)
        if path.startswith(("/v1", "/health", "/metrics")) and path not in READMES
    ] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("prompts/templates/*/*.md.j2")), ids=named)
def test_every_template_file_is_named_by_its_version(path: Path) -> None:
    name, version, *rest = path.name.split(".")
    assert rest == ["md", "j2"]
    assert version.startswith("v")
    assert version[1:].isdigit()
    assert f"name: {name}" in path.read_text()
