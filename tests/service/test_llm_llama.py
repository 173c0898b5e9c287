"""Our Llama: rows that do not mind each other, prompts read once, and transformers' own numbers."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from service.llm.llama import Llama, read_config
from service.llm.load import POCKET_FOLDER
from service.llm.local_model import open_model


def test_a_row_is_read_alike_whoever_joins_and_leaves() -> None:
    network = open_model(POCKET_FOLDER).network
    first, second, third = [1, 40, 41, 42], [1, 50], [1, *range(60, 140)]
    with torch.inference_mode():
        alone = network.begin()
        wanted = [alone.join([first])] + [alone.read([token]) for token in range(70, 160)]
        shared = network.begin()
        # The first in company, the second alone, another that is longer, and after that those two again.
        found = [shared.join([second, first])[1]]
        found += [shared.read([9, token])[1] for token in range(70, 80)]
        assert shared.drop({0}) == [1]
        found += [shared.read([token])[0] for token in range(80, 90)]
        shared.join([third, second])
        found += [shared.read([token, 9, 9])[0] for token in range(90, 100)]
        assert shared.drop([1]) == [0, 2]
        found += [shared.read([token, 9])[0] for token in range(100, 160)]
        assert shared.drop([0, 1]) == []
        again = shared.join([first])
    for one, two in zip(wanted, found, strict=True):
        torch.testing.assert_close(one[0], two, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(again, wanted[0], rtol=1e-4, atol=1e-4)


def test_a_prompt_of_several_rows_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = open_model(POCKET_FOLDER).network
    assert isinstance(network, Llama)
    rows: list[int] = []
    whole = network.forward

    def noted(tokens: Any, *rest: Any) -> Any:
        rows.append(len(tokens))
        return whole(tokens, *rest)

    monkeypatch.setattr(network, "forward", noted)
    first, second = [1, 40, 41, 42], [1, 50]
    with torch.inference_mode():
        wanted: dict[int, Any] = {}
        for token in (7, 8, 9):
            reading = network.begin()
            reading.join([second if token == 8 else first])
            wanted[token] = reading.read([token])[0]
        shared = network.begin()
        shared.join([[1, 60]])
        rows.clear()
        scores = shared.join([first, second, first, first])
        assert rows == [2]
        assert torch.equal(scores[0], scores[2])
        found = shared.read([5, 7, 8, 9, 7])[1:]
    for token, row in zip((7, 8, 9, 7), found, strict=True):
        torch.testing.assert_close(row, wanted[token], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}},
        {"attention_bias": True},
        {"model_type": "qwen3"},
        {"hidden_act": "gelu"},
        {"quantization_config": {"bits": 4}},
    ],
)
def test_only_a_plain_llama_is_read_without_transformers(tmp_path: Path, change: dict[str, Any]) -> None:
    assert read_config(POCKET_FOLDER) is not None
    known = msgspec.json.decode((POCKET_FOLDER / "config.json").read_bytes(), type=dict[str, Any])
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(known | change))
    assert read_config(tmp_path) is None


def test_a_llama_that_shares_heads_computes_what_transformers_computes(tmp_path: Path) -> None:
    import transformers

    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
    )
    model: Any = transformers.LlamaForCausalLM(config)
    for name, weight in model.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    model.save_pretrained(tmp_path)
    found = read_config(tmp_path)
    assert found is not None
    llama = Llama.load(found, sorted(tmp_path.glob("*.safetensors")))
    assert llama.parameters == model.num_parameters()
    tokens = list(range(3, 40))
    with torch.inference_mode():
        wanted = model(torch.tensor([tokens])).logits[0]
        reading = llama.begin()
        read = [reading.join([tokens[:20]])] + [reading.read([token]) for token in tokens[20:]]
    torch.testing.assert_close(torch.cat(read), wanted[19:], rtol=1e-4, atol=1e-4)
