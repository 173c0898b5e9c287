"""Counts with differential privacy over HTTP."""

import pytest

from service.runtime import open_runtime
from service.workspaces.actions import create_key
from tests.service.http.shop import Shop, client_of

GOLD = {"definition": {"trait": "plan", "value": "gold"}}


async def test_an_outsider_gets_noisy_counts_until_the_budget_is_spent(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("service.segments.private.private_count", lambda count, _: count + 2)
    settings = shop.settings()
    async with open_runtime(settings) as runtime:
        key = (await create_key(runtime, "default", "press", ["counts"])).text
    async with client_of(settings, key) as client:
        path = "/v1/segments/preview"
        assert (await client.get("/v1/segments")).status_code == 403
        assert (await client.post(path, json=GOLD)).status_code == 403
        answer = (await client.post(f"{path}?dp_epsilon=0.6", json=GOLD)).raise_for_status().json()
        assert answer.pop("as_of")
        assert answer.pop("snapshot")
        assert answer == {"count": 23, "epsilon": 0.6, "margin": 4, "epsilon_left": 0.4}
        for definition in ({"like": "garden", "top": 3}, {"similar_to": {"profiles": ["p-1"]}}):
            refused = await client.post(f"{path}?dp_epsilon=0.1", json={"definition": definition})
            assert refused.status_code == 422
            assert "privately" in refused.json()["detail"]
        assert (await client.post(f"{path}?dp_epsilon=0", json=GOLD)).status_code == 400
        spent = await client.post(f"{path}?dp_epsilon=0.5", json=GOLD)
        assert spent.status_code == 429
        assert spent.json()["type"] == "urn:pitchwright:problem:privacy-budget-spent"
        assert int(spent.headers["retry-after"]) <= 86_401
        assert (await client.post(f"{path}?dp_epsilon=0.4", json=GOLD)).json()["epsilon_left"] == 0.0
