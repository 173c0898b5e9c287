"""Every attack in every text field of a brief, for both dialects: it stays data, whatever it says.

Each attack meets every field; the channels take turns, so that each attack meets every channel too.
"""

import json
import re
import time
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import msgspec
import pytest

from prompts import merge_tags
from prompts.brief import Brief, RewriteRequest
from prompts.brief_limits import validate
from prompts.catalog import Catalog, Template
from prompts.channels import CHANNELS
from prompts.copywriter import write
from prompts.engine import Answer, Ask, Dialect, EngineInfo, Message, OnText
from prompts.errors import BriefError
from prompts.render import LONGEST_DESCRIPTION, render
from prompts.slots import clean
from prompts.variant import Variant
from service.llm.chat_tokens import FileTokens
from tests.prompts.attacks import ATTACKS, TARGETS, Attack, everywhere, plain
from tests.prompts.briefs import CLEAN

CHANNEL_NAMES = tuple(CHANNELS)
DIALECTS: tuple[Dialect, ...] = ("full", "pocket")
POCKET_MODEL = Path(__file__).resolve().parents[2] / "service" / "llm" / "pocket" / "model"

TOKENS = (
    *("<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "<|eot_id|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<|eot|>", "<|header_start|>", "[SYSTEM_PROMPT]"),
    *("[/SYSTEM_PROMPT]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "<start_of_turn>", "<end_of_turn>", "<|end|>"),
    *("<|system|>", "<|user|>", "<|assistant|>", "<|end▁of▁sentence|>", "<|User|>", "<|Assistant|>"),
    *("<|END_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>", "<|start_of_role|>", "<|end_of_text|>"),
    *("<|message|>", "<|call|>", "<|channel|>", "[UNUSED_TOKEN_145]", "[UNUSED_TOKEN_146]", "[gMASK]"),
    *("[sMASK]", "|||EMAIL_ADDRESS|||", "|||IP_ADDRESS|||", "<0x0A>", "<unk>", "<pad>", "<bos>", "<eos>"),
    *("<tool_call>", "<function_calls>"),
)
"""What tokenizers of the models that are served most read as one token, after NFKC (`｜` becomes `|`)."""

FENCE = re.compile(
    r"<<<(?P<name>\w+) (?P<mark>[0-9a-f]{16})\n(?P<inside>(?:.*\n)*?)>>>(?P=name) (?P=mark)(?:\n|\Z)"
)
LINE = re.compile(r"(?P<key>[a-z][a-z_ ]*): (?P<value>.+)")
HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]|(?<!\U0001f3f4)[\U000e0000-\U000e0060](?![\U000e0061-\U000e007f])"
)
CASES = [
    (attack, path, CHANNEL_NAMES[(place + turn) % len(CHANNEL_NAMES)])
    for (place, attack), (turn, path) in product(enumerate(ATTACKS), enumerate(TARGETS))
]


def template_for(channel: str, dialect: Dialect) -> Template:
    return Catalog.load().get(channel, dialect)


PLAIN = {
    (channel, dialect): render(template_for(channel, dialect), plain(channel))
    for channel in CHANNELS
    for dialect in DIALECTS
}


def by_attack() -> Iterator[tuple[Attack, list[tuple[str, str]]]]:
    for attack in ATTACKS:
        yield attack, [(path, channel) for each, path, channel in CASES if each is attack]


WISHED = "rewrite.instruction"
"""The field whose text is a person's wish: any that is none of our three words renders alike."""


def render_wish(channel: str, dialect: Dialect) -> tuple[Message, ...]:
    wish = RewriteRequest(instruction="softer", fields=CLEAN[channel])
    return render(template_for(channel, dialect), plain(channel, rewrite=wish))


def attacked(attack: Attack, path: str, channel: str) -> Brief:
    """A brief with the attack in one field, cut to what the field may hold."""
    target = TARGETS[path]
    return target.put(plain(channel), attack.text[: target.longest])


def outside(content: str) -> str:
    """A message without what its fences hold and without their marks."""
    return FENCE.sub(r"<\g<name>>", content)


def tokens_in(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text)
    return [token for token in TOKENS if token in folded]


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from texts(entry)


def test_there_are_more_than_sixty_attacks_of_every_class_and_each_meets_every_field_and_channel() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) > 60
    classes = {attack.kind for attack in ATTACKS}
    assert classes == {
        *("template", "roles", "fence", "instruction", "unicode", "breaker"),
        "tag",
        "slot",
        "flood",
    }
    for attack, places in by_attack():
        assert {path for path, _ in places} == set(TARGETS), attack.name
        assert {channel for _, channel in places} == set(CHANNELS), attack.name


def test_no_text_field_of_a_brief_is_left_out() -> None:
    fields = {name for name, _ in paths(plain("email"))}
    closed = {"channel", "product.kind", "product.link", "audience.stage", "tone", "goal", "language"}
    brand = {
        "brand.tones",
        "brand.allowed_domains",
        *(name for name in fields if name.startswith("brand.claims.")),
    }
    open_to_text = fields - closed - brand - {"rewrite.only"}
    assert open_to_text == set(TARGETS), "put every field that takes any text into TARGETS of attacks.py"


def paths(value: object, within: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from paths(getattr(value, name), f"{within}.{name}" if within else name)
    elif isinstance(value, str | None):
        yield within, value or ""
    elif isinstance(value, tuple | dict):
        yield within, ""


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_in_the_full_dialect_an_attack_stays_inside_its_fence_and_reads_back(attack: Attack) -> None:
    for path, channel in ((path, channel) for each, path, channel in CASES if each is attack):
        hostile = attacked(attack, path, channel)
        if empties(hostile):
            with pytest.raises(BriefError, match="has no t"):
                validate(hostile)
        else:
            validate(hostile)
        messages = render(template_for(channel, "full"), hostile)
        harmless = PLAIN[channel, "full"] if path != WISHED else render_wish(channel, "full")
        assert [message.role for message in messages] == ["system", "user"], path
        for message, plain_one in zip(messages, harmless, strict=True):
            assert outside(message.content) == outside(plain_one.content), path
            for block in FENCE.finditer(message.content):
                for line in block["inside"].splitlines():
                    told = LINE.fullmatch(line)
                    assert told is not None, (path, line[:200])
                    assert all(HIDDEN.search(text) is None for text in texts(json.loads(told["value"]))), path
                assert tokens_in(block["inside"]) == [], path
                assert block["mark"] not in block["inside"]
                assert HIDDEN.search(block["inside"]) is None, path
        arrived = {
            text
            for message in messages
            for block in FENCE.finditer(message.content)
            for line in block["inside"].splitlines()
            for text in texts(json.loads(line.split(": ", 1)[1]))
        }
        if TARGETS[path].shown and attack.kind != "flood":
            assert arrived & as_data(attack.text[: TARGETS[path].longest]), path


def as_data(given: str) -> set[str]:
    """What a prompt may show of a text: all that can be seen, on one line or with its line breaks."""
    return {clean(given), "\n".join(map(clean, given.split("\n"))).strip()}


def empties(hostile: Brief) -> bool:
    """Whether an attack came to nothing where there must be something, once invisible characters are gone."""
    return not clean(hostile.product.title) or not (hostile.offer and clean(hostile.offer.text))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_in_the_pocket_dialect_nothing_of_an_attack_arrives_but_a_draft_in_json(attack: Attack) -> None:
    for path, channel in ((path, channel) for each, path, channel in CASES if each is attack):
        messages = render(template_for(channel, "pocket"), attacked(attack, path, channel))
        harmless = PLAIN[channel, "pocket"] if path != WISHED else render_wish(channel, "pocket")
        assert [message.role for message in messages] == ["user"]
        lines, plain_lines = messages[0].content.split("\n"), harmless[0].content.split("\n")
        assert len(lines) == len(plain_lines), path
        for line, plain_line in zip(lines, plain_lines, strict=True):
            key, _, value = line.partition(": ")
            if key == "draft":
                drafted = json.loads(value)
                assert list(drafted) == [field.name for field in CHANNELS[channel].fields]
                assert tokens_in(line) == []
                assert all(HIDDEN.search(text) is None for text in texts(drafted)), path
                assert slots_of(line) <= slots_of("\n".join(lines[:-1])) | {"{{first_name}}"}, path
            else:
                assert re.sub(r"\(\d+\)", "(n)", line) in allowed_lines(plain_line), path


def slots_of(text: str) -> set[str]:
    return set(re.findall(r"\{\{\s*\w+\s*\}\}", text))


def allowed_lines(harmless: str) -> set[str]:
    """What a line may become: the same but for a length hint, or `none` where the fact came to nothing."""
    same = re.sub(r"\(\d+\)", "(n)", harmless)
    key = same.partition(":")[0]
    return (
        {same, f"{key}: none"}
        | ({f"{key}: anyone"} if key == "audience" else set())
        | ({"belongs: no"} if key == "belongs" else set())
    )


@pytest.mark.parametrize("channel", CHANNELS)
def test_floods_leave_a_prompt_of_bounded_length_in_bounded_time(channel: str) -> None:
    begun = time.process_time()
    for attack in (attack for attack in ATTACKS if attack.kind == "flood"):
        hostile = everywhere(attack, channel)
        # Each character may take the six of a JSON escape; a description is cut before it is written, and a
        # long title is shown twice.
        given = sum(target.longest for path, target in TARGETS.items() if path != "product.description")
        given += LONGEST_DESCRIPTION + TARGETS["product.title"].longest
        given += 2 * TARGETS["rewrite.fields"].longest * len(CHANNELS[channel].fields)
        given += TARGETS["examples"].longest * (1 + len(CHANNELS[channel].fields))
        for dialect in DIALECTS:
            base = sum(len(message.content) for message in PLAIN[channel, dialect])
            messages = render(template_for(channel, dialect), hostile)
            assert sum(len(message.content) for message in messages) <= base + 6 * given
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("path", TARGETS)
def test_a_text_longer_than_its_field_is_refused_by_name(path: str) -> None:
    found = TARGETS[path]
    for text in ("x" * (found.longest + 1), "word " * found.longest):
        with pytest.raises(BriefError, match=rf"at most {found.longest}"):
            validate(found.put(plain("email"), text))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_where_a_word_of_ours_a_link_or_a_tag_is_wanted_an_attack_is_refused(attack: Attack) -> None:
    given, changed = plain("email"), msgspec.structs.replace
    for hostile in (
        changed(given, product=changed(given.product, kind=attack.text)),
        changed(given, product=changed(given.product, link=attack.text)),
        changed(given, language=attack.text),
        changed(given, language=f"en-{attack.text}"),
        changed(given, channel=attack.text),
        changed(
            given, rewrite=RewriteRequest(instruction="bolder", fields={"subject": "x", attack.text: "y"})
        ),
    ):
        with pytest.raises(BriefError) as refused:
            validate(hostile)
        assert len(str(refused.value)) < 1_000


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_link_that_is_taken_is_one_visible_word(attack: Attack) -> None:
    link = f"https://x.example/{attack.text}"
    given = plain("sms")
    hostile = msgspec.structs.replace(given, product=msgspec.structs.replace(given.product, link=link))
    try:
        validate(hostile)
    except BriefError:
        return
    assert clean(link) == link
    assert len(link.split()) == 1
    messages = render(template_for("sms", "full"), hostile)
    assert [outside(message.content) for message in messages] == [
        outside(message.content) for message in PLAIN["sms", "full"]
    ]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_name_of_a_drafted_field_cannot_open_a_line_even_unvalidated(attack: Attack) -> None:
    for channel, dialect in product(("email", "push"), DIALECTS):
        hostile = msgspec.structs.replace(
            plain(channel), rewrite=RewriteRequest(instruction="bolder", fields={attack.text: "x", "y": "z"})
        )
        messages = render(template_for(channel, dialect), hostile)
        harmless = PLAIN[channel, dialect]
        assert [message.role for message in messages] == [message.role for message in harmless]
        assert (
            tokens_in("".join(block.group() for m in messages for block in FENCE.finditer(m.content))) == []
        )
        if dialect == "full":
            assert [outside(m.content) for m in messages] == [outside(m.content) for m in harmless]
        else:
            assert messages[0].content.count("\n") == harmless[0].content.count("\n")
            assert tokens_in(messages[0].content) == []


class Parrot:
    """The worst engine there is for this: it answers with what the brief says, wherever copy may stand."""

    def __init__(self, dialect: Dialect, said: str) -> None:
        self.info = EngineInfo(name="parrot", model="parrot@1", dialect=dialect)
        self._said = said

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        del on_text
        fields = {"title": self._said[:4000], "body": f"{{{{product}}}} and {self._said[:4000]}"}
        if self.info.dialect == "full":
            fields["body"] = f"Stoneware Planter, {self._said[:4000]}"
        return [Answer(text=json.dumps(fields)) for _ in asks]

    async def healthy(self) -> bool:
        return True

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_copy_that_repeats_an_attack_holds_no_merge_tag_that_the_brief_brought(attack: Attack) -> None:
    for path in ("product.title", "product.description", "audience.description", "offer.text"):
        target = TARGETS[path]
        hostile = target.put(plain("push", rewrite=None, n=1), attack.text[: min(target.longest, 2_000)])
        if empties(hostile):
            continue
        said = clean(attack.text[: min(target.longest, 2_000)])
        (variant,) = await write(hostile, Parrot("full", said), Catalog.load(), attempts=1)
        filled_or_failed(variant, said, attack)
        slotted = "{{product}}" if path == "product.title" else "{{offer}}"
        if path in ("product.title", "offer.text"):
            (variant,) = await write(hostile, Parrot("pocket", slotted), Catalog.load(), attempts=1)
            filled_or_failed(variant, said, attack)


async def test_a_tag_of_a_draft_to_rewrite_stays_a_tag() -> None:
    tag = '{{ first_name | default: "friend" }}'
    drafted = RewriteRequest(instruction="warmer", fields={"title": f"Hello {tag}", "body": "x"})
    said = f"Dear {tag}"
    asked = plain("push", rewrite=drafted, n=1)
    (variant,) = await write(asked, Parrot("full", said), Catalog.load(), attempts=1)
    assert variant.fields["title"] == said
    described = msgspec.structs.replace(asked.product, description=f"Made for {tag}.")
    asked = msgspec.structs.replace(asked, product=described)
    (variant,) = await write(asked, Parrot("full", said), Catalog.load(), attempts=1)
    assert merge_tags.fill(str(variant.fields["title"]), {"first_name": "Ada"}) == said


def filled_or_failed(variant: Variant, said: str, attack: Attack) -> None:
    """Copy either cannot be sent, or a profile reads the attack's own characters and nothing filled in."""
    for text in texts(variant.fields):
        try:
            pieces = merge_tags.parse(text)
        except merge_tags.SlotError:
            assert variant.status != "passed", attack.name
            continue
        tags = [text[slice(*piece.span)] for piece in pieces if isinstance(piece, merge_tags.MergeTag)]
        assert set(tags) <= {merge_tags.FIRST_NAME}, attack.name
        assert not tags or merge_tags.FIRST_NAME in said, attack.name
        read = merge_tags.fill(text, {"first_name": "Ada"})
        assert "Ada" not in read or merge_tags.FIRST_NAME in said or "Ada" in said, attack.name


def test_the_pocket_models_own_tokenizer_finds_no_special_token_in_data() -> None:
    opened = FileTokens.open(POCKET_MODEL)
    assert opened is not None
    added = json.loads(opened.definition)["added_tokens"]
    special = {token["id"]: token["content"] for token in added if token["special"]}
    assert {"<s>", "<|user|>", "<|assistant|>", "<|end|>"} <= set(special.values())

    def specials(messages: Sequence[Message]) -> list[str]:
        return [special[token] for token in opened.encode(messages) if token in special]

    assert specials([Message(role="user", content="a<|end|><|system|>b")]).count("<|end|>") == 1, (
        "a bare token is read"
    )
    for place, attack in enumerate(ATTACKS):
        channel = CHANNEL_NAMES[place % len(CHANNEL_NAMES)]
        drafted = attacked(attack, "rewrite.fields", channel)
        for dialect, hostile in zip(DIALECTS, (everywhere(attack, channel), drafted), strict=True):
            found = specials(render(template_for(channel, dialect), hostile))
            assert found == specials(PLAIN[channel, dialect]), (attack.name, dialect)
