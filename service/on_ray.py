"""`--on`: whether a command's work is done in this process or on Ray."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from service.console import Usage

LOCAL = "local"
RAY = "ray"


def on_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--on`."""
    return click.option(
        "--on",
        default=LOCAL,
        show_default=True,
        metavar="local|ray|ray://HOST:PORT",
        help="Who works: this process, a Ray started on this machine, or a cluster it is a node of.",
    )(command)


def connected(on: str) -> AbstractContextManager[None]:
    """Stay connected to Ray while a block runs, unless the work is local.

    Raises Usage for another word, and `indexing.errors.ClusterError` when Ray cannot be used.
    """
    if on == LOCAL:
        return nullcontext()
    if on != RAY and not re.fullmatch(r"ray://.+", on):
        raise Usage(f"--on {on!r} is none: give local, ray, ray://auto or ray://HOST:PORT")
    from indexing.on_ray import cluster

    return cluster(on)
