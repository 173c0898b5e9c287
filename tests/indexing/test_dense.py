"""Layers laid out for the processor beside torch's own."""

from typing import Any

import numpy as np
import pytest
import torch

from indexing.dense import Dense

_torch: Any = torch


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("packs", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 130])
def test_it_is_torchs_linear_layer(
    monkeypatch: pytest.MonkeyPatch, gelu: bool, packs: bool, rows: int
) -> None:
    if not packs:
        monkeypatch.setattr(_torch.backends.mkldnn, "is_available", lambda: False)
    elif not _torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    made = _torch.Generator().manual_seed(rows)
    hidden, weight, bias = (_torch.randn(*shape, generator=made) for shape in ((rows, 96), (160, 96), (160,)))
    expected = _torch.nn.functional.linear(hidden, weight, bias)
    expected = _torch.nn.functional.gelu(expected) if gelu else expected
    with _torch.inference_mode():
        found = Dense(weight, bias, gelu=gelu)(hidden)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=2e-5)
