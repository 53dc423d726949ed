# Everything a checkout needs. `make demo` and `make test` set up what they use; the second time they start at once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt

IDLE := $(shell command -v chrt >/dev/null && echo chrt --idle 0 || echo nice -n 19)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-realtime test-aside lint bench docs presets clean

help:
	@echo "make demo     set up, and play a guitar riff through an amp"
	@echo "make test     set up, lint, type-check, and run every test"
	@echo "make setup    only set up: virtual environment, packages, system packages"
	@echo "make bench    measure the engine and the models on this machine"
	@echo "make docs     build the documentation into site/, and check it"
	@echo "make presets  how the shipped models were trained"
	@echo "make clean    remove the virtual environment and caches"

# $(call system,needed packages): install what is missing where that is possible, else name it.
# Without python3-venv nothing works; without the others some things do, so they are only named.
define system
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "rtaudio needs Python 3.11 or later; name one: make PYTHON=python3.12" >&2; exit 1; }; \
missing=""; \
for package in $(1); do case $$package in \
	python3-venv) $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null ;; \
	libportaudio2) test "$$(uname)" != Linux || $(PYTHON) -c 'import ctypes.util, sys; sys.exit(not ctypes.util.find_library("portaudio"))' ;; \
	jackd2) command -v jackd >/dev/null ;; \
	lilv-utils) command -v lv2apply >/dev/null ;; \
	build-essential) command -v cc >/dev/null ;; \
	python3-dev) $(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ;; \
	esac || missing="$$missing $$package"; done; \
if test -n "$$missing"; then \
	if ! command -v apt-get >/dev/null; then install=; \
	elif test "$$(id -u)" = 0; then install="env DEBIAN_FRONTEND=noninteractive apt-get"; \
	elif sudo -n true 2>/dev/null; then install="sudo -n env DEBIAN_FRONTEND=noninteractive apt-get"; \
	else install=; fi; \
	if test -n "$$install" && $$install -qq update && \
		$$install -qq -y --no-install-recommends install $$missing >/dev/null; then :; \
	else echo "missing system packages, please install:$$missing" >&2; \
		case "$$missing" in *python3-venv*) exit 1 ;; esac; fi; \
fi
endef

$(BIN)/python:
	$(call system,python3-venv)
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(call system,libportaudio2)
	@echo "installing rtaudio into $(VENV) ..."
	@$(PIP) -e .
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/python
	$(call system,libportaudio2 jackd2 lilv-utils build-essential python3-dev)
	@echo "installing rtaudio with everything to train and test it into $(VENV) ..."
	@$(PIP) -e ".[train,dev]"
	@$(PIP) -e ".[metrics]" || echo "pesq is compiled here and needs a C compiler and Python's headers; what it measures is left out" >&2
	@touch $(VENV)/.demo $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(BIN)/python
	$(call system,libportaudio2)
	@echo "installing rtaudio and what builds its documentation into $(VENV) ..."
	@$(PIP) -e ".[docs]"
	@touch $(VENV)/.demo $@

setup: $(VENV)/.all

demo: $(VENV)/.demo
	@$(BIN)/rtaudio demo

lint: $(VENV)/.all
	@$(IDLE) $(BIN)/ruff check
	@$(IDLE) $(BIN)/ruff format --check
	@$(IDLE) $(BIN)/mypy
	@$(IDLE) $(BIN)/lint-imports --no-cache

# Tests that play in real time wait most of the time; all else runs meanwhile, and gives way.
test: $(VENV)/.all
	@$(MAKE) --no-print-directory -j3 lint test-realtime test-aside

test-realtime: $(VENV)/.all
	$(BIN)/pytest -m realtime

# In the order of their names: by their number of tests, a slow file would come last, and alone.
test-aside: $(VENV)/.all
	@$(IDLE) $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not realtime" \
		>$(VENV)/aside.txt 2>&1; status=$$?; cat $(VENV)/aside.txt; exit $$status

bench: $(VENV)/.all
	$(BIN)/rtaudio bench engine
	$(BIN)/rtaudio bench models

# Strict: a reference to nothing, a broken link, a missing picture or one from elsewhere fails.
docs: $(VENV)/.docs
	$(BIN)/python -m docs.generate
	NO_COLOR=1 $(BIN)/python -m zensical build --clean --strict
	$(BIN)/python -m docs.check site
	@echo "read it, with search: $(BIN)/python -m http.server -d site -b 127.0.0.1 8000"

presets:
	@echo "presets/*.yaml are written by hand. presets/models/*.onnx are trained by"
	@echo "    rtaudio train training/configs/NAME.yaml"
	@echo "    rtaudio export runs/NAME/best.pt presets/models/NAME.onnx"
	@echo "and carry their data, configuration and figures: rtaudio inspect presets/models/NAME.onnx"

clean:
	rm -rf $(VENV) build dist site docs/generated .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
