"""Members in the order of their pseudonyms, in memory that does not grow with them: sorted on the disk."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from service.privacy.masks import DIGEST, Masks, Places
from service.segments.selection import Selection

ROWS_PER_HEAP = 50_000
"""About so many members are sorted in memory at a time."""
MOST_HEAPS = 256
"""Files open at a time; above 12.8 million members the heaps grow instead."""
_ROW = np.dtype([("digest", DIGEST), ("place", "<u4")])


def masked_places(
    selection: Selection, masks: Masks, folder: Path, at_once: int, report: Callable[[], None]
) -> Iterator[Places]:
    """Yield the members' places in the order of their pseudonyms, `at_once` of them; uint32[n] each.

    Pseudonyms are dealt to heaps by their first bits, each a file in `folder` that has no name and goes with
    this process: 20 bytes a member. As a keyed hash's bits are even, so are the heaps; they are sorted one at
    a time. `report` is called between chunks. Raises `OSError`.
    """
    count = selection.members.size
    heaps = min(max(1, -(-count // ROWS_PER_HEAP)), MOST_HEAPS)
    with ExitStack() as stack:
        files = [stack.enter_context(TemporaryFile(dir=folder)) for _ in range(heaps)]
        for start in range(0, count, ROWS_PER_HEAP):
            digests = masks.digests(selection.ids(slice(start, start + ROWS_PER_HEAP)))
            rows = np.empty(len(digests), dtype=_ROW)
            rows["digest"], rows["place"] = digests, np.arange(start, start + len(digests))
            first_bits = digests.view(">u4")[::4].astype(np.uint64)
            heap = (first_bits * np.uint64(heaps)) >> np.uint64(32)
            for number, file in enumerate(files):
                file.write(rows[heap == number].tobytes())
            report()
        for file in files:
            file.seek(0)
            rows = np.frombuffer(file.read(), dtype=_ROW)
            places = rows["place"][np.argsort(rows["digest"], kind="stable")]
            for start in range(0, max(len(places), 1), at_once):
                yield places[start : start + at_once]
