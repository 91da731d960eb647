# Everything runs in .venv, which the first target that needs it makes; `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.installed
BUSY := $(VENV)/.installing
PYTHONS = $(or $(PYTHON),python3 python3.13 python3.12 python3.11)
ARGS :=
INPUTS := 100000

PARITY := .venv-parity

.PHONY: help site test test-browser check numbers bench fuzz parity clean
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

site: $(DONE) ## Draw and number what changed and build the site into site/
	$(BIN)/python scripts/render.py
	$(BIN)/python scripts/build_site.py
	@echo
	@echo "The site is in $(CURDIR)/site; open $(CURDIR)/site/index.html in a browser."

test: $(DONE) ## Run all tests; ARGS="-k cli" passes options to pytest
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(ARGS)

test-browser: $(DONE) ## Run the tests of the site alone: files, pages in Chromium, accessibility
	@$(BIN)/python scripts/chromium.py >/dev/null
	$(BIN)/python -m pytest tests/browser $(ARGS)

check: $(DONE) ## Format check, lint, types, tests, stored numbers and docs: what a change must pass
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(MAKE) test
	$(BIN)/python scripts/update_catalog.py --check
	$(MAKE) site

numbers: $(DONE) ## Recompute the stored numbers of every entry
	$(BIN)/python scripts/update_catalog.py

bench: $(DONE) ## Measure import, build, analysis, loading and pages, each against a yardstick
	$(BIN)/python scripts/bench.py $(ARGS)
	$(BIN)/python scripts/measure_loading.py

fuzz: $(DONE) ## Read 100,000 made-up files of weights; INPUTS=1000000 reads more
	ZOO_FUZZ_INPUTS=$$(($(INPUTS) / 2)) $(BIN)/python -m pytest -n 2 tests/weights/test_tensors.py -k "made_up or changed_bytes"

parity: $(DONE) $(PARITY)/.installed ## Compare with the original code in PyTorch, which goes into .venv-parity (about 6 GB)
	ZOO_PARITY_PYTHON=$(CURDIR)/$(PARITY)/bin/python $(BIN)/python -m pytest -m parity $(ARGS)

$(PARITY)/.installed: pyproject.toml $(DONE)
	$(BIN)/python -m venv --clear $(PARITY)
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["parity"], sep="\n")' \
	    | $(PARITY)/bin/python -m pip install --disable-pip-version-check -r /dev/stdin
	touch $@

clean: ## Remove everything that was made, .venv included
	rm -rf $(VENV) $(PARITY) site docs/models build dist .cache .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find zoo scripts tests -name __pycache__ -type d -exec rm -rf {} +

# An interrupted pip can leave a package that looks installed and is not, so a folder in which one was interrupted is made
# anew. Pythons for which TensorFlow has packages, up to 3.13 so far, are preferred to newer ones.
$(DONE): pyproject.toml
	@set -e; \
	fits='import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, int(sys.argv[1])))'; \
	if [ -e $(BUSY) ] || ! { $(BIN)/python -c "$$fits" 99 && $(BIN)/python -m pip --version; } >/dev/null 2>&1; then \
	    rm -rf $(VENV); \
	    found=; \
	    for newest in 13 99; do \
	        for python in $(PYTHONS); do \
	            if [ -z "$$found" ] && $$python -c "$$fits" $$newest >/dev/null 2>&1; then found=$$python; fi; \
	        done; \
	    done; \
	    if [ -z "$$found" ]; then \
	        echo "error: no Python >= 3.11 with venv and ensurepip among: $(PYTHONS)" >&2; \
	        echo "Install one (Debian and Ubuntu keep venv in python3-venv), or name one: make PYTHON=/path/to/python" >&2; \
	        exit 1; \
	    fi; \
	    echo "Making $(VENV) with $$($$found --version), $$(command -v $$found)"; \
	    $$found -m venv $(VENV); \
	fi; \
	touch $(BUSY); \
	echo "Installing the zoo and its tools into $(VENV): about 1 GB on the first run, some minutes"; \
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]'; \
	rm -f $(BUSY); \
	touch $@
