"""Make a static embedder that imitates the sentence encoder on a catalogue's texts."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from indexing.errors import EmbedderError
from indexing.snapshot import Progress
from indexing.world import World
from service.runtime import Runtime
from service.snapshots.world import read_world

if TYPE_CHECKING:
    from eval.figures import Figures


async def distill_embedder(
    runtime: Runtime,
    out: Path,
    *,
    data: tuple[Path, Path] | None = None,
    texts_file: Path | None = None,
    dim: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple["Figures", tuple[str, ...]]:
    """Distil the configured encoder into the new folder `out` and measure it; also what could not be.

    The texts are those of the workspace's items, or of the items in `data` (a folder and its import mapping),
    and the lines of `texts_file` (UTF-8). Quality is measured on the events of the same place. Raises
    `EmbedderError`, NotFound without the workspace, and `ImportFailed` for `data` that cannot be used.
    """
    from eval.benchmarks.encoding import compare
    from eval.figures import figures
    from indexing.distillation import LONGEST_TOKENS
    from indexing.sentence import load_embedder, locate_model
    from indexing.static_embedder import is_static, read_tokenizer

    started = time.perf_counter()
    if await runtime.run(out.exists):
        raise EmbedderError(f"{out} exists already: an embedder never changes, name a new folder.")
    texts = () if texts_file is None else _read_lines(texts_file)
    name = runtime.settings.embedder
    model, _ = await runtime.run(locate_model, name)
    if is_static(model):
        raise EmbedderError(
            f"{model} is a static embedder already: distil a sentence encoder, such as "
            "PITCHWRIGHT_EMBEDDER=auto."
        )
    tokenizer = await runtime.run(read_tokenizer, model / "tokenizer.json", LONGEST_TOKENS)
    world, digests, notes = await _world(runtime, data, progress)
    teacher = await runtime.embedder()
    bare = await runtime.run(load_embedder, name)
    compared = await runtime.run(
        compare, world, teacher, bare, tokenizer, texts=texts, dim=dim, seed=seed, progress=progress
    )
    manifest = await runtime.run(compared.distilled.save, out)
    summary = figures(
        "pitchwright index distill",
        compared.figures,
        seconds=time.perf_counter() - started,
        seed=seed,
        data={
            **digests,
            "texts": manifest.texts_digest,
            "teacher": manifest.teacher.digest,
            "embedder": manifest.digest,
        },
    )
    said = f"{manifest.name} is in {out}: set PITCHWRIGHT_EMBEDDER={out} and run `pitchwright index build`."
    return summary, (*notes, *compared.notes, said)


async def _world(
    runtime: Runtime, data: tuple[Path, Path] | None, progress: Progress | None
) -> tuple[World, dict[str, str], tuple[str, ...]]:
    if data is None:
        return await read_world(runtime, runtime.settings.workspace, progress), {}, ()
    from service.evaluations.worlds import read_worlds

    def tell(stage: str, done: int, total: int | None) -> None:
        if progress is not None:
            progress(stage, done, total or 0)

    read = await runtime.run(read_worlds, *data, None, runtime.now(), tell)
    return read.train, read.digests, read.notes


def _read_lines(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EmbedderError(f"{path} cannot be read: {error}. Give a UTF-8 file, a text a line.") from None
    return tuple(line.strip() for line in lines if line.strip())
