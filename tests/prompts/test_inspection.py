import time
from collections.abc import Mapping
from pathlib import Path

import jinja2
import pytest
from jinja2 import meta

from prompts.catalog import Catalog, Template
from prompts.errors import TemplateError
from prompts.inputs import INPUTS, NEEDED
from prompts.inspection import LONGEST_FILE, inspect, inspect_folder
from prompts.render import Context, Rewriting, Slots
from prompts.syntax import LONGEST_EXPANSION, expansion, read

SHIPPED = Path(__file__).resolve().parents[2] / "prompts" / "templates"
SOURCE = (SHIPPED / "push" / "full.v2.md.j2").read_text()
POCKET = (SHIPPED / "push" / "pocket.v2.md.j2").read_text()
PARTIALS: Mapping[str, str] = Catalog.load().partials


def found(old: str, new: str, source: str = SOURCE, name: str = "push/full.v2.md.j2") -> list[str]:
    assert old in source
    problems = inspect(name, source.replace(old, new, 1), PARTIALS)
    return [f"{each.file}:{each.line}: {each.rule}: {each.reason}" for each in problems]


def line(text: str, source: str = SOURCE) -> int:
    """The line on which a text stands."""
    return source[: source.index(text)].count("\n") + 1


def test_nothing_is_wrong_with_what_is_shipped() -> None:
    assert inspect_folder(SHIPPED) == ()


@pytest.mark.parametrize("template", Catalog.load().templates, ids=lambda template: template.name)
def test_the_variables_read_from_the_syntax_tree_are_those_jinja_looks_up(template: Template) -> None:
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - parsed, never rendered
    for source in (*(part.source for part in template.parts), *template.partials.values()):
        seen = read(source)
        assert set(seen.inputs) == meta.find_undeclared_variables(environment.parse(source))
        assert set(seen.includes) == set(meta.find_referenced_templates(environment.parse(source)))


def test_the_inputs_are_those_of_the_context_with_their_parts() -> None:
    assert list(INPUTS) == list(Context.__struct_fields__)
    assert INPUTS["slots"].parts == Slots.__struct_fields__
    assert INPUTS["rewrite"].parts == Rewriting.__struct_fields__
    assert all(dialect in INPUTS[name].dialects for dialect, name in NEEDED.items())


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("purpose:", "mood: x\npurpose:", "4: front-matter: unknown key `mood`"),
        ("purpose:", "purpos:", "4: front-matter: unknown key `purpos`: did you mean `purpose`?"),
        ("purpose:", "name: full\npurpose:", "4: front-matter: `name` stands there twice"),
        ("version: 2\n", "version: one\n", "3: front-matter: `version`: Expected `int`, got `str`"),
        ("version: 2\n", "version: 3\n", "`version` is 3, and the file is 'push/full.v2.md.j2': change it"),
        ("version: 2,", "version: 7,", f"{line('changelog:')}: front-matter: no entry for version 2"),
        ("tone: friendly", "tone: rude", "front-matter: `example.tone`: 'rude' is none of"),
        ("  title: the", "  head: the", f"{line('output:')}: front-matter: `output` has head, body"),
        ("{name: brand,", "{brand,", f"{line('{name: brand,')}: front-matter: `inputs[2]"),
        ("brand:\n", "brand: &x\n", "anchors (`&`) and aliases (`*`) are not read"),
        ("price: £24.00", "price: !!str 24", "the tag 'tag:yaml.org,2002:str' is not read"),
        ("inputs:", "inputs: [", "front-matter: not YAML"),
        ("---\nname", "name", "1: front-matter: must open with front matter"),
        ("system:\n", "", f"{line('system:')}: roles: the body must open with a line"),
        ("\nuser:\n", "\n", "roles: roles ['system'] must be at most one system message first"),
        ("{name: tone,", "{name: tune,", f"{line('{name: tone,')}: inputs: `tune` is declared and not used"),
        ("{name: tone,", "{name: goal,", "`tone` is used and not declared: add it to `inputs` of push/full"),
        ("{name: brand,", "{name: brand, kind: word,", "inputs: `brand` is of kind 'fenced', not 'word'"),
        ("user:\n", "user:\n{{ prodct }}\n", f"{line('user:') + 1}: inputs: `prodct` is no input: did you"),
        ("user:\n", "user:\n{{ slots.offer }}\n", "`slots` is not for the full dialect"),
        ("user:\n", "user:\n\n\n{% if %}\n", f"{line('user:') + 3}: syntax: Expected an expression"),
        ("user:\n", "user:\n<|im_start|>system\n", "'<|im_start|>' is a chat template's special token"),
        ("user:\n", 'user:\n<{{ "|" }}im_end|>\n', "example: example: as given, its user message spells"),
        ("full-rules.v1", "full-rule.v1", "partials: no partial 'partials/full-rule.v1.j2': did you mean"),
        ("changelog:", "limits: {characters: 200}\nchangelog:", "example: as given, it renders to 3591"),
        ("  channel: push", "  channel: email", "example: example: its channel is 'email', not 'push'"),
        ("title: Fernhill Stoneware Planter", 'title: ""', "example: example: product '1' has no title"),
        ("changelog:", "examples: {odd: {tone: x}}\nchangelog:", "`examples.odd.tone`: 'x' is none of the"),
    ],
)  # fmt: skip
def test_every_problem_has_its_line_and_says_what_to_do(old: str, new: str, problem: str) -> None:
    problems = found(old, new)
    assert any(problem in each for each in problems), problems


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "{name: brand,",
            "{name: brand, kind: prose,",
            "`inputs[2].kind`: 'prose' is none of the choices: did",
        ),
        (
            "dialect: full",
            "dialect: x",
            "6: front-matter: `dialect`: 'x' is none of the choices: there are full,",
        ),
        (
            "  tone: friendly",
            "  tonne: x",
            f"{line('  tone: fr')}: front-matter: `example.tonne`: unknown key",
        ),
        ("  tone: friendly", "  tonne: x", "unknown key `tonne`: did you mean `tone`?"),
        (
            "  stage: loyal",
            "  stage: loyl",
            "`example.audience.stage`: 'loyl' is none of the choices: did you",
        ),
        (
            "    stage: loyal",
            "    satge: x",
            f"{line('    stage: loyal')}: front-matter: `example.audience.satge`",
        ),
        ("changelog:", "limits: {chars: 2}\nchangelog:", "`limits.chars`: unknown key `chars`: did you mean"),
        ('date: "2026-11-26"', "date: tomorrow", "`changelog[0].date`: Invalid RFC3339 encoded date"),
        (
            'purpose: "Writes',
            'purpose: Writes: "',
            "4: front-matter: not YAML: mapping values are not allowed",
        ),
        ('purpose: "Writes', 'purpose: Writes: "', "put a text that holds a colon in quotes"),
        ("user:\n", "user:\nassistant:\nOh!\n", f"{line('user:') + 1}: roles: `assistant:` opens no message"),
        ("user:\n", "user:\n{{ stage_words }}.\n", "without a stage or an interest, push/full.v2 prints an"),
        ("user:\n", "user:\n{{ stage_words }}.\n", "none here, one of stage_words, "),
        (
            "user:\n",
            'user:\n{{ city | default: "x" }}',
            f"{line('user:') + 1}: syntax: a merge tag cannot stand",
        ),
    ],
)
def test_an_authors_slips_are_told_with_what_was_meant(old: str, new: str, problem: str) -> None:
    problems = found(old, new)
    assert any(problem in each for each in problems), problems


@pytest.mark.parametrize(
    "body",
    [
        "{% for x in range(99999) %}{% for y in range(99999) %}x{% endfor %}{% endfor %}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x' * 10 ** 9 }}",
        "{% set a = product ~ product %}{% set a = a ~ a %}{{ a }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ product.__class__.__mro__ }}",
        "{{ slots.product.format.__globals__ }}",
        "{{ product | replace('\\\\u003c', '<') }}",
        "{{ product | upper }}",
        "{{ (offer or tone) | upper }}",
        "{{ product[:100] }}",
        "{{ product | map('length') | list }}",
        "{{ lipsum() }}",
        "{{ cycler }}",
        "{{ self }}",
        "{{ tone if offer }}",
        "{% include product %}",
        "{% include ['partials/a.j2', 'partials/b.j2'] %}",
        "{% include 'partials/full-rules.v1.j2' ignore missing %}",
        "{% import 'partials/full-rules.v1.j2' as rules %}",
        "{% extends 'partials/full-rules.v1.j2' %}",
        "{% block a %}{% endblock %}",
        "{% filter upper %}{{ product }}{% endfilter %}",
        "{% autoescape true %}{{ product }}{% endautoescape %}",
        "{{ " + " or ".join(["tone"] * 5_000) + " }}",
        "{{ " + "(" * 3_000 + "tone" + ")" * 3_000 + " }}",
    ],
)
def test_a_template_that_computes_loops_calls_or_cuts_a_fence_is_refused_unrendered(body: str) -> None:
    begun = time.process_time()
    assert found("user:\n", f"user:\n{body}\n")
    assert time.process_time() - begun < 2


def test_what_a_prompt_needs_is_allowed() -> None:
    body = (
        "{# a note #}{% if tone in ('urgent', 'luxury') and not offer %}{{ goal_words | capitalize }}"
        "{% elif stage == 'cart' %}{{ stage or 'any' }}{% else %}{{ 'a' if personalise else 'b' }}{% endif %}"
        "{% raw %}{{ as it is }}{% endraw %}"
    )
    declared = "".join(f"  - {{name: {name}, about: x}}\n" for name in ("stage", "personalise"))
    source = SOURCE.replace("output:\n", f"{declared}output:\n", 1)
    assert found("user:\n", f"user:\n{body}\n", source) == []


def test_the_pocket_dialect_sees_no_text_of_a_brief() -> None:
    problems = found(
        "user:\n", "user:\n{{ product }} {{ slots.offr }}\n", POCKET, name="push/pocket.v2.md.j2"
    )
    assert any("`product` is not for the pocket dialect" in each for each in problems)
    assert any("`.offr` is no part of `slots`: it has product, benefits" in each for each in problems)


def test_a_prompt_that_cannot_name_its_product_is_refused() -> None:
    problems = found('{% include "partials/full-request.v2.j2" %}', "Write something.")
    assert any("`product` is not used: copy could not name what it advertises" in each for each in problems)


def test_partials_that_never_end_or_multiply_are_refused_at_once() -> None:
    again = {
        "partials/a.j2": '{% include "partials/b.j2" %}',
        "partials/b.j2": '{% include "partials/a.j2" %}',
    }
    assert expansion(again["partials/a.j2"], again) == "'partials/b.j2' includes itself"
    doubled = {f"partials/{i}.j2": f'{{% include "partials/{i + 1}.j2" %}}' * 9 for i in range(15)}
    begun = time.process_time()
    size = expansion(doubled["partials/0.j2"], doubled)
    assert isinstance(size, int)
    assert size > LONGEST_EXPANSION
    assert time.process_time() - begun < 2
    chain = {f"partials/{i}.j2": f'{{% include "partials/{i + 1}.j2" %}}' for i in range(50)}
    assert "more than 20 deep" in str(expansion(chain["partials/0.j2"], chain))
    body = 'user:\n{% include "partials/a.j2" %}\n'
    problems = inspect("push/full.v2.md.j2", SOURCE.replace("user:\n", body), {**PARTIALS, **again})
    assert [each.rule for each in problems] == ["partials"]


def test_what_is_too_long_to_be_a_prompt_is_not_read() -> None:
    problems = found("user:\n", "user:\n" + "x" * LONGEST_FILE)
    assert problems == [
        f"push/full.v2.md.j2:1: file: {len(SOURCE) + LONGEST_FILE} characters: at most 100000"
    ]


def test_a_folder_is_checked_with_its_own_partials_and_names(tmp_path: Path) -> None:
    write(tmp_path, "push/full.v2.md.j2", SOURCE)
    write(tmp_path, "push/other.v2.md.j2", SOURCE.replace("name: full", "name: other"))
    write(tmp_path, "pusch/full.v2.md.j2", SOURCE)
    write(tmp_path, "push/full.md", "x")
    write(tmp_path, "partials/own.v1.j2", "fine\n{{ 1 + 1 }}")
    problems = [f"{each.file}:{each.line} {each.reason}" for each in inspect_folder(tmp_path, PARTIALS)]
    assert any("partials/own.v1.j2:2 add: not in a prompt" in each for each in problems)
    assert any("folder 'pusch' is no channel: did you mean 'push'?" in each for each in problems)
    assert any("'full.md' must be called <name>.v<N>.md.j2" in each for each in problems)
    assert any("is version 2 of the full prompt for push already" in each for each in problems)
    (tmp_path / "push" / "latin.v1.md.j2").write_bytes(b"\xe9")
    with pytest.raises(TemplateError, match="not UTF-8"):
        inspect_folder(tmp_path)


def test_a_folder_goes_before_what_is_shipped_and_hides_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "push/full.v2.md.j2", SOURCE.replace("You are", "You were"))
    shipped = Catalog.load()
    catalog = shipped.with_folder(tmp_path)
    assert "You were" in catalog.get("push", "full").parts[0].source
    assert catalog.get("email", "full") is shipped.get("email", "full")
    assert "You were" not in shipped.get("push", "full").parts[0].source
    second = Catalog.load(SHIPPED).get("push", "pocket", 1)
    assert shipped.overridden([second]).get("push", "pocket") is second
    assert shipped.overridden([second]).get("push", "pocket", 2) is shipped.get("push", "pocket")


def test_two_files_of_one_version_are_refused() -> None:
    template = Catalog.load().get("push", "full")
    with pytest.raises(TemplateError, match="2 files are version 2 of the full prompt for push"):
        Catalog([template, template])


def test_a_prompt_is_found_by_name() -> None:
    catalog = Catalog.load()
    assert catalog.find("email/full") is catalog.find("email.full") is catalog.get("email", "full")
    assert (
        catalog.find("email/pocket.v1")
        is catalog.find("email.pocket.v1")
        is catalog.get("email", "pocket", 1)
    )


@pytest.mark.parametrize("name", ["", "email", "email/full.v0", "email/full.v2.md.j2", "../x", "email/grand"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(TemplateError, match=r"names no prompt|no 'grand' prompt"):
        Catalog.load().find(name)


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
