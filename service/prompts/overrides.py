"""Which prompts a workspace uses: the shipped ones, before them a folder's, before those its own.

What is read is kept, by what it was read from, so that a request pays for reading once.
"""

import functools
from collections.abc import Iterable
from pathlib import Path

from prompts.catalog import Catalog, Template, parse
from prompts.errors import TemplateError
from prompts.inspection import inspect_folder
from service.prompts.model import Stored
from service.settings import Settings


def base_catalog(settings: Settings, workspace: str) -> Catalog:
    """Return what a workspace uses that has changed nothing: the shipped prompts and its folder's.

    A change of the folder's files is seen at the next call. Raises `TemplateError` for a folder that is not
    there, and for one with problems, naming the first.
    """
    if settings.prompts_dir is None:
        return Catalog.load()
    top = Path(settings.prompts_dir)
    if not top.is_dir():
        raise TemplateError(
            f"PITCHWRIGHT_PROMPTS_DIR is {settings.prompts_dir!r}, and there is no such folder"
        )
    folder = top / workspace
    return _with_folder(folder, _signature(folder)) if folder.is_dir() else Catalog.load()


def own_catalog(base: Catalog, changes: Iterable[Stored]) -> Catalog:
    """Put a workspace's own prompts, as its newest changes left them, before the others."""
    own = [template_of(change) for change in changes if change.source is not None]
    return base.overridden(own) if own else base


def template_of(change: Stored) -> Template:
    """Read the template a change put in use. Raises `TemplateError`."""
    partials = tuple(sorted(change.partials.items()))
    return _parsed(change.name, change.version or 0, change.source or "", partials)


def file_of(name: str, version: int) -> str:
    """Name the file a workspace's prompt would be in: `email/full.v2.md.j2` for `email.full`."""
    channel, _, dialect = name.partition(".")
    return f"{channel}/{dialect}.v{version}.md.j2"


@functools.lru_cache(maxsize=512)
def _parsed(name: str, version: int, source: str, partials: tuple[tuple[str, str], ...]) -> Template:
    channel, _, file_name = file_of(name, version).partition("/")
    return parse(channel, file_name, source, dict(partials))


@functools.lru_cache(maxsize=64)
def _with_folder(folder: Path, signature: tuple[tuple[str, int, int], ...]) -> Catalog:
    del signature  # only tells one state of the folder from the next
    shipped = Catalog.load()
    problems = inspect_folder(folder, shipped.partials)
    if problems:
        first = problems[0]
        raise TemplateError(
            f"the prompts in {str(folder)!r} have {len(problems)} problems, the first in {first.file}:"
            f"{first.line}: {first.reason}. See them all with `pitchwright prompts check {folder}`"
        )
    return shipped.with_folder(folder)


def _signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Tell a state of a folder by its files' names, times and sizes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    stats = ((str(path.relative_to(folder)), path.stat()) for path in files)
    return tuple(sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))
