# Bleedcheck's tasks. `make` lists them.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DATA   ?= data

.DEFAULT_GOAL := help
.PHONY: help install demo test check serve train-base train-loras train-detectors accuracy lock clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "Python 3.11 is needed: $(PYTHON) was not found (set PYTHON=...)."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	-$(BIN)/bleedcheck weights fetch --profile miniature
	touch $@

install: $(STAMP) ## install everything into .venv

demo: $(STAMP) ## score two small LoRA runs on the embedded miniature and say which epoch to use
	$(BIN)/bleedcheck demo --data-dir $(DATA)

test: $(STAMP) ## run the tests, two at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(STAMP) ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/biome lint --error-on-warnings service
	$(BIN)/mypy

serve: $(STAMP) ## serve the API and the pages on http://127.0.0.1:8000
	$(BIN)/bleedcheck serve --data-dir $(DATA)

accuracy: $(STAMP) ## measure every detector on drawings it has not seen
	$(BIN)/python -m benchmarks.accuracy --images 2000

train-base: $(STAMP) ## train the tiny Anima from scratch (a GPU; see benchmarks/miniature/__init__.py for the stages)
	$(BIN)/python -m benchmarks.miniature.dataset --out data/drawings --count 150000
	$(BIN)/python -m benchmarks.miniature.train_vae --drawings data/drawings --out data/base --minutes 5
	$(BIN)/python -m benchmarks.miniature.train_base --drawings data/drawings --vae data/base --out data/base --minutes 22 --distill-minutes 3
	$(BIN)/python -m benchmarks.miniature.assemble --trained data/base

train-loras: $(STAMP) ## train both LoRA runs and the two cells between them (a GPU)
	$(BIN)/python -m benchmarks.miniature.train_loras --out data/runs

train-detectors: $(STAMP) ## train the detectors on drawings (a GPU) and settle their thresholds
	$(BIN)/python -m benchmarks.detectors.train all --data data/detectors --out data/weights
	$(BIN)/python -m benchmarks.detectors.calibrate --weights data/weights

lock: ## renew requirements.txt from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements.txt

clean: ## remove the virtual environment and the demo's data
	rm -rf $(VENV) $(DATA)
