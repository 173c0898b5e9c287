"""Actors one of whose processes is killed in the middle of its work, whatever the work is."""

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4


def dying(actor: Any, folder: Path) -> type:
    """The same actor, but of its processes one is killed, in the middle of a part after the second.

    The class stands in no module, so that Ray sends it by value: whatever replaces the actor is sent too.
    """

    class Dying(actor):
        def __call__(self, batch: Any) -> Any:
            (folder / f"worker-{os.getpid()}").touch()
            if len([*folder.glob("done-*")]) >= 2 and not (folder / "killed").exists():
                (folder / "killed").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
            result = super().__call__(batch)
            (folder / f"done-{uuid4()}").touch()
            return result

    return Dying


def check_killed(folder: Path, parts: int) -> None:
    """One was killed, another went on, and all parts were done, save what the dead one took along."""
    seen = Counter(path.name.partition("-")[0] for path in folder.iterdir())
    assert seen["killed"] == 1
    assert seen["worker"] >= 2
    assert seen["done"] >= parts - 1
