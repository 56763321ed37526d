# Each target sets everything up by itself: it needs Python 3.11 or newer, make and a package index.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint bench brute fuzz kills clean

demo: $(READY)
	$(BIN)/prioritize compare scenarios/pa_only.toml scenarios/pa_oecm.toml scenarios/ecr.toml --out runs/demo --report

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(if $(CASES),,$(BIN)/python benchmarks/bench_build.py)
	$(BIN)/python benchmarks/bench_engine.py $(CASES) $(if $(SECONDS),--seconds $(SECONDS))

brute: $(READY)
	$(BIN)/python -m tests.brute --cases $(or $(CASES),20000) --jobs 2

fuzz: $(READY)
	$(BIN)/python tests/fuzz.py --cases $(or $(CASES),5000) --seed $(or $(SEED),1)

kills: $(READY)
	PRIORITIZE_KILLS=10000 $(BIN)/python -m pytest -n auto tests/test_kills.py

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "prioritize needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv runs
