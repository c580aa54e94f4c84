# Everything works on a fresh machine: each target sets up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow bench bench-long example lint clean

demo: $(VENV)/.demo
	$(BIN)/e2e run smoke --standin
	@echo "The report is reports/latest/report.html. Next: . $(BIN)/activate; e2e list"

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow --timeout 1200 --durations 10

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

# Half an hour at a constant load: does the memory grow?
bench-long: $(VENV)/.bench
	$(BIN)/python -m benchmarks --long 30

# The kept example: a real run, its reports rebuilt where they are read.
example: $(VENV)/.dev
	$(BIN)/python tools/make_example.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "venv is missing: apt-get install python3-venv"; exit 1; }

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[standin,fast]'
	@touch $@

$(VENV)/.bench: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench,fast]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.demo
