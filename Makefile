# Everything a fresh machine needs is Python 3.11+ with venv and pip, and make.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS := offline,postgres,dev

.PHONY: install demo test check test-slow test-vllm lock clean

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
	$(BIN)/pytest -m "not slow and not postgres and not vllm"

test-slow: install
	$(BIN)/pytest -m "slow or postgres"

lock: install
	$(BIN)/python .ci/lock.py > constraints.new && mv constraints.new constraints.txt

clean:
	rm -rf .venv .venv-vllm dist var
