"""What a suite's run found, as one JSON document: figures, what each brief came to, what was set aside."""

import shutil
import subprocess
from pathlib import Path
from typing import Literal

import msgspec

from eval.errors import ResultError
from eval.figures import Figure, machine, version
from eval.measures import LOWER_IS_BETTER, Sample, score_name
from eval.suite import Better, Suite
from prompts.engine import EngineInfo

FORMAT = 1
"""Raised when a reader of the document would have to read it differently."""

Stage = Literal["writing", "limit", "scoring"]


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """Something a run could not use, and why. It is in no figure but `samples.set_aside` and
    `scores.set_aside`.
    """

    stage: Stage
    """`writing`: a brief without a draft; `limit`: not asked, to save cost; `scoring`: one scorer on one."""
    key: str
    """Of the brief."""
    what: str
    """The brief in words: channel, product, audience, seed."""
    reason: str
    scorer: str | None = None


class CandidateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine with one set of prompts came to."""

    name: str
    """The engine, with `+` and the set of prompts where the suite names any."""
    engine: EngineInfo
    prompts: dict[str, str]
    """Digest of each prompt that was used, by name and version."""
    asked: int
    """Drafts asked for: briefs x seeds x repeats. Those written and those set aside add up to it."""
    figures: tuple[Figure, ...]
    outcomes: dict[str, dict[str, float]]
    """Figure -> key of the brief -> its mean: what runs are compared by."""
    set_aside: tuple[SetAside, ...] = ()

    @property
    def met(self) -> bool:
        """Whether every threshold was met."""
        return all(entry.met is not False for entry in self.figures)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a result was made with: enough to make it again."""

    version: str
    revision: str | None
    """Of git, `-dirty` with changes of one's own; none outside a checkout."""
    machine: str
    """Its class, never its name."""
    started: str
    """ISO 8601, UTC."""
    seconds: float
    embedder: str
    data: dict[str, str] = {}
    """The start of each data file's sha256, by name."""
    notes: tuple[str, ...] = ()
    """What was left out of the data, in words."""


class SuiteResult(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result of a run. The copy itself is in `samples.jsonl`."""

    format: int = FORMAT
    suite: Suite
    suite_digest: str
    origin: Origin
    candidates: tuple[CandidateResult, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """List every candidate's figures; with several, names begin with the candidate's."""
        if len(self.candidates) == 1:
            return self.candidates[0].figures
        return tuple(
            msgspec.structs.replace(entry, name=f"{candidate.name}.{entry.name}")
            for candidate in self.candidates
            for entry in candidate.figures
        )

    @property
    def met(self) -> bool:
        """Whether every threshold was met."""
        return all(candidate.met for candidate in self.candidates)

    @property
    def label(self) -> str:
        """Name the suite as results do: `demo.v1`."""
        return f"{self.suite.name}.v{self.suite.version}"


class SuiteRun(msgspec.Struct, frozen=True, kw_only=True):
    """A result with the copy that was written."""

    result: SuiteResult
    samples: tuple[Sample, ...]


def better(name: str, suite: Suite) -> Better:
    """Say which way a figure is better: as the suite says, else as the figure is known to be."""
    for scorer, goal in suite.scorers.items():
        if score_name(scorer) == name:
            if goal.better is not None:
                return goal.better
            if goal.threshold is not None:
                return "lower" if goal.at_most is not None else "higher"
    return "lower" if name in LOWER_IS_BETTER else "higher"


def origin(
    started: str, seconds: float, embedder: str, data: dict[str, str], notes: tuple[str, ...]
) -> Origin:
    """Put together where a result comes from; version, revision and machine are filled in here."""
    return Origin(
        version=version(),
        revision=revision(Path(__file__).resolve().parent.parent),
        machine=machine(),
        started=started,
        seconds=round(seconds, 3),
        embedder=embedder,
        data=data,
        notes=notes,
    )


def revision(root: Path) -> str | None:
    """Ask git for the revision of the checkout at `root`; none when it is none, or there is no git."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    command = [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None


def encode_result(result: SuiteResult) -> bytes:
    """Encode a result as one indented JSON document, a line at the end."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n"


def read_result(path: Path) -> SuiteResult:
    """Read a result from its file or the folder of its run. Raises `ResultError`."""
    file = path / "result.json" if path.is_dir() else path
    try:
        return msgspec.json.decode(file.read_bytes(), type=SuiteResult)
    except FileNotFoundError:
        raise ResultError(f"no result at {file}: give the folder of a run, see `eval ls`") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ResultError(f"{file} is no result of format {FORMAT}: {error}") from error


def read_samples(path: Path) -> tuple[Sample, ...]:
    """Read the copy beside a result; none when only the result was kept. Raises `ResultError`."""
    file = (path if path.is_dir() else path.parent) / "samples.jsonl"
    if not file.is_file():
        return ()
    try:
        return tuple(
            msgspec.json.decode(line, type=Sample) for line in file.read_bytes().split(b"\n") if line
        )
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ResultError(f"{file} is no list of samples: {error}") from error
