# make demo   builds into .venv and serves the example on http://localhost:5000
# make test   installs what the tests need and runs them all
# The rest: make wheel, make bench, make bench-full, make bench-guard, make fuzz, make soak, make generate, make clean.

PYTHON ?= python3
GO     ?= go
BUILD  := .build
VENV   := .venv
LINT   := $(BUILD)/lint/bin

SOURCES := $(shell git ls-files -co --exclude-standard -- '*.go' '*.c' '*.h' 'python/*' go.mod go.sum pyproject.toml setup.py MANIFEST.in)
FUZZTIME ?= 20s

.PHONY: demo test test-go test-fuzz test-python test-lint wheel bench bench-full bench-guard fuzz soak generate clean

demo: $(VENV)/.installed
	$(VENV)/bin/speyside examples/helloworld_wsgi_app.py

$(VENV)/.installed: $(SOURCES)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check .
	touch $@

# Two halves side by side: the Go tests use one CPU for most of their time, the Python ones the other.
test:
	tools/test.sh

test-go:
	tools/test.sh go

test-python:
	tools/test.sh python

test-fuzz:
	tools/test.sh fuzz

test-lint:
	tools/test.sh lint

wheel:
	$(PYTHON) -m venv $(BUILD)/wheel
	$(BUILD)/wheel/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

bench: $(VENV)/.installed
	$(VENV)/bin/python bench/install.py $(BUILD)/bench
	$(BUILD)/bench/bin/python bench/run.py --short --json bench/results/short.json --html bench/results/short.html

# Every scenario with every peer: several hours.
bench-full: $(VENV)/.installed
	$(VENV)/bin/python bench/install.py $(BUILD)/bench
	$(BUILD)/bench/bin/python bench/run.py --json bench/results/full.json --html bench/results/full.html

# Fails when this build is more than 5 % slower than the commit before it, or than the targets against the best peer allow.
BEFORE ?= HEAD~1
bench-guard: $(VENV)/.installed
	$(VENV)/bin/python bench/install.py $(BUILD)/bench
	$(BUILD)/bench/bin/python bench/guard.py --before $(BEFORE)

# Longer than a test run may take.
fuzz:
	FUZZTIME=10m tools/test.sh fuzz

soak:
	tools/test.sh soak

generate:
	$(GO) run ./tools/generate

clean:
	rm -rf $(BUILD) $(VENV) build dist
