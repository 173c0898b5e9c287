import json
import os
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from eval.schemas import encode_schema, schema
from eval.suite import Suite, load_suite, shipped_suites

EVAL = Path(__file__).resolve().parents[2] / "eval"
FILES = {
    "suite": EVAL / "suites" / "suite.schema.json",
    "result": EVAL / "results" / "result.schema.json",
    "sample": EVAL / "results" / "sample.schema.json",
}


@pytest.mark.parametrize("name", FILES)
def test_the_committed_schema_is_current(name: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        FILES[name].write_text(encode_schema(name), encoding="utf-8")
    assert FILES[name].read_text(encoding="utf-8") == encode_schema(name), "write it anew: make golden"


def test_a_schema_says_what_the_fields_mean_and_refuses_unknown_keys() -> None:
    suite = schema("suite")["$defs"]["Suite"]
    assert suite["additionalProperties"] is False
    assert suite["properties"]["n"]["description"] == "Variants per brief."
    inherited = schema("suite")["$defs"]["WorldGrid"]["properties"]
    assert {"audiences", "channels", "seed", "items"} <= set(inherited)


def test_its_patterns_mean_the_same_to_an_editor() -> None:
    patterns = re.findall(r'"pattern": (".*?")', encode_schema("suite"))
    assert patterns
    for pattern in map(json.loads, patterns):
        assert "\\Z" not in pattern, "ECMAScript reads it as the letter Z"
        assert pattern.endswith("$")


@pytest.mark.parametrize("path", shipped_suites().values(), ids=lambda path: path.stem)
def test_every_shipped_suite_is_valid_and_canonical_json_reads_back(path: Path) -> None:
    suite = load_suite(path)
    assert suite.name == path.stem
    assert msgspec.json.decode(msgspec.json.encode(suite), type=Suite) == suite
    known = schema("suite")["$defs"]["Suite"]["properties"]
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) <= set(known)
