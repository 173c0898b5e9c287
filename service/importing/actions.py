"""Import a folder of files into a workspace."""

from pathlib import Path
from typing import TYPE_CHECKING

from service.importing.model import ImportSummary, Progress

if TYPE_CHECKING:
    from service.runtime import Runtime


async def import_folder(
    runtime: "Runtime", workspace: str, folder: Path, mapping: Path, progress: Progress | None = None
) -> ImportSummary:
    """Store the items, profiles and events of a folder's files as the mapping says.

    Bad rows go to `<data_dir>/imports/<workspace>/<digest>/rejects.jsonl` and stop nothing. Importing
    the same files again stores nothing new. Raises `service.importing.errors.ImportFailed` (mapping or
    file unusable, empty catalogue) before anything is stored.
    """
    raise NotImplementedError
