"""`pitchwright eval data`: which public data sets there are, what is in them, and whether yours are those."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.console import (
    NotMet,
    Progress,
    Usage,
    json_option,
    note,
    print_grid,
    print_json,
    print_table,
    print_text,
)

if TYPE_CHECKING:
    from eval.datasets.description import Column, Dataset


def _folder_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--folder",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="PITCHWRIGHT_SHARED_DATA",
        default=Path("../shared/data"),
        show_default=True,
        show_envvar=True,
        help="Where the data sets lie, each in a folder of its name.",
    )(command)


@click.group()
def data() -> None:
    """List, describe and check the public data sets evaluations read; none comes with Pitchwright.

    Example: pitchwright eval data ls
    """


@data.command("ls")
@_folder_option
@json_option
def list_sets(folder: Path, as_json: bool) -> None:
    """List the data sets: what each is for, its licence, and whether it is here.

    Example: pitchwright eval data ls --folder data
    """
    from eval.datasets.description import dataset, names

    sets = [dataset(name) for name in names()]
    if as_json:
        print_json(
            [
                {
                    "name": one.name,
                    "title": one.title,
                    "use": one.use,
                    "licence": one.licence,
                    "origin": one.origin,
                    "rows": sum(file.rows for file in one.files),
                    "bytes": sum(file.bytes for file in one.files),
                    "files": len(one.files),
                    "present": _present(one, folder),
                }
                for one in sets
            ]
        )
        return
    rows = [
        (
            one.name,
            f"{_present(one, folder)} of {len(one.files)}",
            f"{sum(file.rows for file in one.files):,}",
            f"{sum(file.bytes for file in one.files) / 1000:,.0f} kB",
            one.licence,
            one.use,
        )
        for one in sets
    ]
    print_table(("name", "here", "rows", "size", "licence", "use"), rows)
    if not folder.is_dir():
        note(f"There is no folder {folder}: give the one with the data sets as --folder.")


def _present(described: "Dataset", folder: Path) -> int:
    return sum((folder / described.name / file.name).is_file() for file in described.files)


@data.command("check")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--any-version", is_flag=True, help="Also pass other versions, if every row fits the columns.")
@_folder_option
@json_option
def check_sets(names: tuple[str, ...], any_version: bool, folder: Path, as_json: bool) -> None:
    """Check the files that are here: digest, columns, rows and every cell; exit code 1 when one is not right.

    Without NAME all sets; a file of a set that is named must also be there.

    Example: pitchwright eval data check upworthy
    """
    from eval.datasets import description
    from eval.datasets.public import Check, check

    files = [
        (name, file.name) for name in names or description.names() for file in description.dataset(name).files
    ]
    with Progress() as progress:
        checks: list[Check] = []
        for done, (name, file) in enumerate(files, start=1):
            checks.append(check(name, file, folder, verify=not any_version))
            progress("data sets", done, len(files))
    if all(one.state == "absent" for one in checks):
        raise Usage(f"nothing to check in {folder}: give the folder the data sets lie in as --folder")
    if as_json:
        print_json(checks)
    else:
        rows = [
            (
                f"{one.dataset}/{one.file}",
                one.state,
                "" if one.rows is None else f"{one.rows:,}",
                f"{one.set_aside:,}" if one.set_aside else "",
            )
            for one in checks
        ]
        print_table(("file", "state", "rows", "set aside"), rows)
        for one in checks:
            for text in one.notes:
                note(f"{one.dataset}/{one.file}: {text}")
    wrong = [one for one in checks if not one.passed and (names or one.state != "absent")]
    if wrong:
        raise NotMet("; ".join(f"{one.dataset}/{one.file} is {one.state}" for one in wrong))


@data.command("show")
@click.argument("name")
@_folder_option
@json_option
def show_set(name: str, folder: Path, as_json: bool) -> None:
    """Show what is known of data set NAME: origin, licence, files, columns, and what misleads in it.

    Example: pitchwright eval data show upworthy
    """
    from eval.datasets.description import dataset

    one = dataset(name)
    if as_json:
        print_json(one)
        return
    print_grid(
        [
            (one.name, one.title),
            ("use", one.use),
            ("licence", one.licence),
            ("origin", "\n".join(one.origin)),
            ("cite", one.cite),
            ("copied from", "\n".join(one.copied_from)),
            ("changes", one.changes),
            *(("trap", trap) for trap in one.traps),
        ]
    )
    for file in one.files:
        rows = [(label, _kind(column), column.about) for label, column in file.columns.items()]
        here = "here" if (folder / name / file.name).is_file() else "not here"
        title = f"{file.name} ({here}): {file.rows:,} rows, {file.bytes:,} bytes, sha256 {file.sha256}"
        print_text(title)
        print_table(("column", "may be", "about"), rows)


def _kind(column: "Column") -> str:
    """Say what a cell may be, in a few words."""
    words = [column.type]
    if column.values:
        words = [" | ".join(map(str, column.values))]
    if column.at_least is not None or column.at_most is not None:
        low, high = ("" if bound is None else f"{bound:g}" for bound in (column.at_least, column.at_most))
        words.append(f"{low}..{high}")
    if column.not_above:
        words.append(f"up to {column.not_above}")
    if column.pattern:
        words.append(f"like {column.pattern}")
    if column.repeat:
        words.append(f"{column.repeat} columns")
    if column.may_be_empty:
        words.append("or empty")
    return ", ".join(words)
