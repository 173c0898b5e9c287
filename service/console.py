"""How commands speak: results on stdout, everything else on stderr, errors as one line and an exit code.

Commands import their actions inside the function that runs, so that `--help` of any of them answers at once.
"""

import asyncio
import contextlib
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from service.executor import stop_if_abandoned

if TYPE_CHECKING:
    from rich.console import Console

    from service.runtime import Runtime
    from service.settings import Settings

Result = TypeVar("Result")

EXIT_CODES: Mapping[int, str] = {
    0: "done",
    1: "a threshold or check was not met",
    2: "wrong usage or input",
    3: "a dependency is down: engine, database, disk, port",
    70: "a fault in Pitchwright itself; run again with --debug and report what it prints",
    130: "interrupted",
}

WIDTH_WITHOUT_TERMINAL = 100
"""Columns of a table that goes to a file or a pipe."""


SECONDS_PER_LINE = 60
"""A stage that goes on says so once in so many seconds where there is no terminal to draw on."""


class GlobalOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before the verb."""

    data_dir: str | None = None
    workspace: str | None = None
    debug: bool = False


class NotMet(Exception):
    """A threshold or check was not met; the result has been printed already."""


class Usage(Exception):
    """The command was asked for something it cannot do, or given input it cannot read."""


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")(command)


class FiniteRange(click.FloatRange):
    """A number within limits; unlike click's own range it refuses NaN, which no limit compares with."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number or fail, quoting it."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number


def print_json(value: object) -> None:
    """Print one JSON document on stdout, indented; structs, dates and paths included."""
    encoded = msgspec.json.encode(value, enc_hook=_encode_other)
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def _encode_other(value: Any) -> object:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


SHORT_CELL = 20
"""A column whose cells are no wider is not folded."""
FOLDED_CELL = 48
"""No column asks for more, where there is no terminal to fit into."""


def note(message: str) -> None:
    """Say something on stderr that is no result."""
    click.echo(message, err=True)


def console(*, stderr: bool = False, needed: int = 0) -> "Console":
    """Open a rich console; without a terminal it is plain, and 100 columns wide or as many as are needed."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    columns = os.environ.get("COLUMNS", "")
    width = (
        None
        if stream.isatty()
        else int(columns)
        if columns.isdigit()
        else max(needed, WIDTH_WITHOUT_TERMINAL)
    )
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)


def print_text(text: str) -> None:
    """Print a paragraph on stdout, wrapped to the terminal's width; the text is never read as markup."""
    from rich.text import Text

    console().print(Text(text))


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None, wide: bool = False
) -> None:
    """Print rows of text as a table on stdout; the text is never read as markup.

    The first column and short ones are never folded, and empty ones are left out. `wide`: without a terminal
    it takes the width it needs.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    widths = [max((len(row[place]) for row in rows), default=1) for place in range(len(header))]
    shown = [place for place, width in enumerate(widths) if width]
    for place in shown:
        short = place == 0 or widths[place] <= SHORT_CELL
        table.add_column(header[place], overflow="fold", min_width=widths[place] if short else None)
    for row in rows:
        table.add_row(*(Text(row[place]) for place in shown))
    needed = sum(min(width, FOLDED_CELL) + 2 for width in widths if width)
    console(needed=needed if wide else 0).print(table)


def print_grid(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text in columns without a head, never read as markup; only the last one is folded."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for place in range(len(rows[0])):
        grid.add_column(overflow="fold", no_wrap=place < len(rows[0]) - 1)
    for row in rows:
        grid.add_row(*map(Text, row))
    out = console()
    with out.capture() as captured:
        out.print(grid)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


class Progress:
    """A progress bar per stage on stderr, with an estimate of the time left.

    Where stderr is no terminal, a line per finished stage, and one a minute during a longer one. Call it with
    (stage, done, total); a total of 0 or none is unknown. Work that was interrupted ends at its next call.
    """

    def __init__(self, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._tasks: dict[str, Any] = {}
        self._finished: set[str] = set()
        self._clock = clock
        self._begun: dict[str, tuple[float, float]] = {}
        """Stage to when it began, and when it was last spoken of."""
        self._quiet = quiet
        self._bars: Any = None

    def __call__(self, stage: str, done: float, total: float | None = None) -> None:
        stop_if_abandoned()
        if self._quiet:
            return
        if self._bars is not None:
            self._show(stage, done, total)
        elif total and done >= total and stage not in self._finished:
            self._finished.add(stage)
            note(f"{stage}: {done:,.0f} done")
        elif stage not in self._finished:
            self._say(stage, done, total)

    def _say(self, stage: str, done: float, total: float | None) -> None:
        now = self._clock()
        begun, spoken = self._begun.setdefault(stage, (now, now))
        if now - spoken < SECONDS_PER_LINE:
            return
        self._begun[stage] = begun, now
        left = (now - begun) / done * (total - done) if total and done else None
        goal = f" of {total:,.0f}" if total else ""
        note(f"{stage}: {done:,.0f}{goal}" + (f", about {left:,.0f} s left" if left is not None else ""))

    def _show(self, stage: str, done: float, total: float | None) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total or None)
        self._bars.update(self._tasks[stage], completed=done, total=total or None)

    def __enter__(self) -> "Progress":
        if not self._quiet and sys.stderr.isatty():
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bars

            columns = (
                TextColumn("{task.description:<24}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(compact=True),
            )
            self._bars = Bars(*columns, console=console(stderr=True))
            self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def settings_for(options: GlobalOptions) -> "Settings":
    """Load settings from the environment and the folder's file, overridden by the global options."""
    from service.settings import load_settings

    environ = dict(os.environ)
    if options.data_dir is not None:
        environ["PITCHWRIGHT_DATA_DIR"] = options.data_dir
    if options.workspace is not None:
        environ["PITCHWRIGHT_WORKSPACE"] = options.workspace
    return load_settings(environ, Path.cwd())


def run(work: Callable[["Runtime"], Awaitable[Result]]) -> Result:
    """Open the runtime for the current command's global options, do the work in it, close it."""
    return run_with(settings_for(global_options()), work)


def run_with(settings: "Settings", work: Callable[["Runtime"], Awaitable[Result]]) -> Result:
    """Open the runtime for these settings, do the work in it, close it."""
    from service.runtime import open_runtime

    quieten_libraries()
    log_to_stderr(settings.log_level)

    async def opened() -> Result:
        async with open_runtime(settings) as runtime:
            return await work(runtime)

    return asyncio.run(opened())


def global_options() -> GlobalOptions:
    """Look up what stood before the current verb."""
    return click.get_current_context().find_object(GlobalOptions) or GlobalOptions()


def log_to_stderr(level: str = "info") -> None:
    """Write what is logged as one JSON line on stderr: stdout belongs to results."""
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(file=sys.stderr),
    )


def quieten_libraries() -> None:
    """Keep model libraries from drawing bars of their own among ours."""
    for name, value in {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
    }.items():
        os.environ.setdefault(name, value)


def exit_code(error: BaseException) -> int | None:
    """Map an error to its exit code; none for one that nobody foresaw."""
    from eval.errors import EvalError
    from indexing.errors import ClusterError, IndexingError, SnapshotError, SnapshotMissing
    from prompts.errors import EngineError, PromptError
    from service.errors import DependencyError, Overloaded, ServiceError
    from service.importing.errors import ImportFailed

    table: tuple[tuple[type[BaseException], int], ...] = (
        (NotMet, 1),
        (KeyboardInterrupt, 130),
        (click.Abort, 130),
        (EngineError, 3),
        (DependencyError, 3),
        (Overloaded, 3),
        (Usage, 2),
        (PromptError, 2),
        (SnapshotMissing, 2),
        (SnapshotError, 3),  # a full disk, or a damaged file
        (ClusterError, 3),
        (IndexingError, 2),
        (EvalError, 2),
        (ServiceError, 2),
        (ImportFailed, 2),
        (click.ClickException, 2),
        (OSError, 3),
    )
    return next((code for kind, code in table if isinstance(error, kind)), None)


def message(error: BaseException) -> str:
    """Say an error in one line, or in three where the second is what was written and a caret points at it."""
    from indexing.errors import DefinitionTextError

    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, DefinitionTextError):
        return str(error)
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def stages(seconds: dict[str, float], stage: str, clock: Callable[[], float]) -> Generator[None]:
    """Time a stage into `seconds`, also when it fails."""
    start = clock()
    try:
        yield
    finally:
        seconds[stage] = round(clock() - start, 2)
