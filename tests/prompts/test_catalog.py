import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prompts import catalog as catalog_module
from prompts.catalog import Catalog, parse
from prompts.channels import CHANNELS
from prompts.errors import BriefError, TemplateError

SHIPPED = Path(__file__).resolve().parents[2] / "prompts" / "templates"
SOURCE = (SHIPPED / "push" / "full.v1.md.j2").read_text()
PARTIALS = {f"partials/{path.name}": path.read_text() for path in (SHIPPED / "partials").iterdir()}


def test_every_channel_has_a_full_and_a_pocket_prompt() -> None:
    catalog = Catalog.load()
    for channel in CHANNELS:
        assert catalog.get(channel, "full").name == f"{channel}/full.v2"
        assert catalog.get(channel, "pocket").name == f"{channel}/pocket.v2"


def test_the_shipped_catalogue_is_read_once() -> None:
    assert Catalog.load() is Catalog.load()
    assert [t.digest for t in Catalog.load(SHIPPED).templates] == [t.digest for t in Catalog.load().templates]


def test_threads_that_ask_at_once_share_one_reading() -> None:
    catalog_module._read_shipped.cache_clear()  # pyright: ignore[reportPrivateUsage] # as in a new process
    together = threading.Barrier(4)

    def load(_: int) -> int:
        together.wait()
        return id(Catalog.load())

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(load, range(4)))) == 1


def test_the_digest_is_of_the_file_and_of_what_it_includes() -> None:
    template = parse("push", "full.v1.md.j2", SOURCE, PARTIALS)
    assert list(template.partials) == ["partials/full-rules.v1.j2", "partials/full-request.v1.j2"]
    digest = hashlib.sha256(SOURCE.encode())
    for name, text in template.partials.items():
        digest.update(f"\0{name}\0{text}".encode())
    assert template.digest == digest.hexdigest()
    edited = PARTIALS | {"partials/full-rules.v1.j2": "Be nice."}
    assert parse("push", "full.v1.md.j2", SOURCE, edited).digest != template.digest


def test_the_newest_version_is_found_unless_one_is_named(tmp_path: Path) -> None:
    for version in (1, 2, 10):
        text = SOURCE.replace("version: 1,", f"version: {version},").replace(
            "version: 1\n", f"version: {version}\n"
        )
        _write(tmp_path, f"push/full.v{version}.md.j2", text)
    for name, text in PARTIALS.items():
        _write(tmp_path, name, text)
    catalog = Catalog.load(tmp_path)
    assert catalog.get("push", "full").front.version == 10
    assert catalog.get("push", "full", 2).front.version == 2
    with pytest.raises(TemplateError, match="no version 3: there are 1, 2, 10"):
        catalog.get("push", "full", 3)
    with pytest.raises(TemplateError, match="no 'pocket' prompt for channel 'push'"):
        catalog.get("push", "pocket")
    with pytest.raises(BriefError, match="unknown channel 'fax'"):
        catalog.get("fax", "full")


def test_a_folder_that_is_no_channel_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "fax/full.v1.md.j2", SOURCE)
    with pytest.raises(TemplateError, match="'fax' is no channel: the channels are email"):
        Catalog.load(tmp_path)
    with pytest.raises(TemplateError, match="no template folder"):
        Catalog.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("purpose:", "mood: x\npurpose:", "unknown field `mood`"),
        ("name: full", "name: pocket", "front matter says push/pocket.v1"),
        ("version: 1\n", "version: 2\n", "front matter says push/full.v2"),
        ("version: 1,", "version: 7,", "the changelog has no entry for version 1"),
        ("dialect: full", "dialect: grand", "Invalid enum value 'grand'"),
        ("  title: the line in bold", "  headline: the line in bold", "are not the fields of push"),
        ("  tone: friendly", "  tone: rude", "Invalid enum value 'rude'"),
        ("---\nname", "name", "must open with front matter"),
        ("inputs:", "inputs: [", "front matter"),
        ("system:\n", "", "must open with a line `system:` or `user:`"),
        ("\nuser:\n", "\n", "must be at most one system message first, and end with user"),
        ("partials/full-rules.v1.j2", "partials/none.j2", "includes 'partials/none.j2'"),
    ],
)
def test_a_malformed_template_is_refused_with_what_is_wrong(old: str, new: str, complaint: str) -> None:
    assert old in SOURCE
    with pytest.raises(TemplateError) as refused:
        parse("push", "full.v1.md.j2", SOURCE.replace(old, new, 1), PARTIALS)
    assert complaint in str(refused.value)
    assert "push/full.v1.md.j2" in str(refused.value)


@pytest.mark.parametrize("name", ["full.md.j2", "full.v0.md.j2", "Full.v1.md.j2", "full.v1.txt"])
def test_a_misnamed_file_is_refused(name: str) -> None:
    with pytest.raises(TemplateError, match=r"must be called <name>\.v<N>\.md\.j2"):
        parse("push", name, SOURCE, PARTIALS)


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
