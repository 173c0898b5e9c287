"""Snapshots at an object-store URL: uploaded manifest last, pulled into a verified local copy.

Under the URL lies a folder per workspace, in it a folder per version with the files of the local one. An
object store has no rename, so the manifest is what makes a version visible: it is written after everything
else and taken away before anything else. Any URL that fsspec opens will do: a folder, `s3://`, `gs://`.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from indexing.errors import SnapshotCorrupt, SnapshotError, SnapshotMissing
from indexing.manifest import MANIFEST, Manifest, parse_manifest, read_manifest, verify_file, verify_files
from indexing.publishing import partial_folder, publish_folder
from indexing.shelf import VERSION, SnapshotShelf
from indexing.snapshot_files import Progress

_fsspec: Any = import_module("fsspec.core")

_HALF_MANIFEST = "manifest.partial"
_LOGIN = re.compile(r"(?<=://)[^/@]*@")
_PACKAGE = re.compile(r"\b(s3fs|gcsfs|adlfs|ocifs|huggingface_hub|paramiko|requests|aiohttp)\b")


class SnapshotRemote:
    """Published snapshots of one workspace at a URL. Every method blocks: run it in the executor.

    All raise `SnapshotError` when the store cannot be reached or refuses, with its reason.
    """

    def __init__(self, url: str, workspace: str) -> None:
        """Use `url`/`workspace`, which need not exist yet.

        Raises `SnapshotError` for a kind of URL that is not known or whose package is not installed.
        """
        self._workspace = workspace
        self._shown = f"{_LOGIN.sub('', url).rstrip('/')}/{workspace}"
        try:
            self._files, path = _fsspec.url_to_fs(url)
        except ImportError as error:
            package = _PACKAGE.search(str(error))
            install = f"install it with `pip install {package[0]}`" if package else "install what it names"
            raise SnapshotError(
                f"{self._shown} needs a package that is not there ({error}): {install}, or use another "
                "PITCHWRIGHT_SNAPSHOT_URL."
            ) from error
        except ValueError as error:
            raise SnapshotError(
                f"{self._shown} is no URL of a store that can be opened ({error}): give a folder, or a URL "
                "such as s3://bucket/folder, as PITCHWRIGHT_SNAPSHOT_URL."
            ) from error
        self._root = f"{str(path).rstrip('/')}/{workspace}"

    def list(self) -> tuple[str, ...]:
        """List the published versions, oldest first; one without its manifest is not published."""
        with self._reaching("list"):
            return tuple(
                version for version in self._folders() if self._files.isfile(self._path(version, MANIFEST))
            )

    def push(self, folder: Path, progress: Progress | None = None) -> bool:
        """Upload a published local snapshot, manifest last; False when it is there already.

        `progress("push", bytes done, bytes in all)`. Raises `SnapshotCorrupt` when the local one is damaged.
        Interrupted, it leaves nothing visible; the next push of the version starts anew.
        """
        manifest = read_manifest(folder)
        if manifest.version in self.list():
            return False
        verify_files(manifest, folder)
        moved = _Moved("push", manifest, progress)
        with self._reaching("write to"):
            self._files.makedirs(self._path(manifest.version), exist_ok=True)
            for name, entry in manifest.files.items():
                path = self._path(manifest.version, name)
                self._files.put_file(str(folder / name), path)
                if self._files.info(path)["size"] != entry.bytes:
                    raise SnapshotError(f"{self._shown} took {name!r} in part only: push again.")
                moved.add(entry.bytes)
            half = self._path(manifest.version, _HALF_MANIFEST)
            self._files.pipe_file(half, (folder / MANIFEST).read_bytes())
            self._files.mv(half, self._path(manifest.version, MANIFEST))
        return True

    def pull(self, shelf: SnapshotShelf, progress: Progress | None = None) -> str | None:
        """Download the newest version onto `shelf`, verify it and publish it there by one rename.

        Returns the version, or None when the shelf holds it or a newer one, or there is none to pull.
        `progress("pull", bytes done, bytes in all)`. Raises `SnapshotCorrupt` naming the file that differs,
        `SnapshotError` while a build or another pull runs on the shelf; the shelf stays as it was.
        """
        newest = self.newest()
        if newest is None or newest <= max(shelf.list(), default=""):
            return None
        with partial_folder(shelf.folder) as partial:
            data = self._manifest_bytes(newest)
            manifest = self._parsed(data, newest)
            moved = _Moved("pull", manifest, progress)
            for name, entry in manifest.files.items():
                self._download(newest, name, partial)
                verify_file(manifest, partial, name, where=f"{self._shown}/{newest}")
                moved.add(entry.bytes)
            (partial / MANIFEST).write_bytes(data)
            publish_folder(partial, shelf.folder / newest)
        return newest

    def newest(self) -> str | None:
        """Name the newest published version, None without any."""
        return max(self.list(), default=None)

    def prune(self, *, keep: int) -> tuple[str, ...]:
        """Remove all but the newest `keep` (at least 1) versions, and what interrupted uploads left.

        Only what is older than the newest published version counts as left: an upload may be under way.
        """
        published = self.list()
        if not published:
            return ()
        removed = published[: -max(keep, 1)]
        with self._reaching("remove from"):
            left = [
                version for version in self._folders() if version < published[-1] and version not in published
            ]
            for version in removed:
                self._files.rm_file(self._path(version, MANIFEST))
            for version in (*removed, *left):
                self._files.rm(self._path(version), recursive=True)
        return removed

    def _folders(self) -> list[str]:
        self._files.invalidate_cache()  # a store's listing is kept by fsspec, and others write to it too
        try:
            entries: list[str] = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        names = {PurePosixPath(entry.rstrip("/")).name for entry in entries}
        return sorted(name for name in names if VERSION.fullmatch(name))

    def _path(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    def _manifest_bytes(self, version: str) -> bytes:
        with self._reaching("read"):
            try:
                return self._files.cat_file(self._path(version, MANIFEST))
            except FileNotFoundError as error:
                raise SnapshotMissing(
                    f"{self._shown}/{version} was removed meanwhile: pull again."
                ) from error

    def _parsed(self, data: bytes, version: str) -> Manifest:
        manifest = parse_manifest(data, f"{self._shown}/{version}")
        if (manifest.version, manifest.workspace) != (version, self._workspace):
            raise SnapshotCorrupt(
                f"{self._shown}/{version} holds the manifest of snapshot {manifest.version} of workspace "
                f"{manifest.workspace!r}: remove it, then push again."
            )
        return manifest

    def _download(self, version: str, name: str, folder: Path) -> None:
        with self._reaching("read"):
            try:
                self._files.get_file(self._path(version, name), str(folder / name))
            except FileNotFoundError as error:
                raise SnapshotCorrupt(
                    f"{self._shown}/{version}: the file {name!r} is missing. Push it again, or build another."
                ) from error

    @contextmanager
    def _reaching(self, action: str) -> Generator[None]:
        try:
            yield
        except SnapshotError:
            raise
        except Exception as error:  # each kind of store raises errors of its own: none is a traceback
            raise SnapshotError(
                f"Could not {action} {self._shown}: {error or type(error).__name__}. Check "
                "PITCHWRIGHT_SNAPSHOT_URL, the store and its credentials; what was published is untouched."
            ) from error


class _Moved:
    """Bytes moved so far, told to whoever watches."""

    def __init__(self, stage: str, manifest: Manifest, progress: Progress | None) -> None:
        self._stage, self._progress = stage, progress
        self._total = sum(entry.bytes for entry in manifest.files.values())
        self._done = 0
        self.add(0)

    def add(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._stage, self._done, self._total)
