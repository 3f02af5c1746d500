# Everything runs in .venv, which `install` and the other targets make and fill; second runs take no install time.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The oldest environment of a vehicle: JetPack 6 has Python 3.10 and what .ci/floor.txt names.
FLOOR := .venv-floor
FLOOR_PYTHON ?= $(shell python3.10 -c '' 2>/dev/null && echo python3.10 || echo $(PYTHON))

# What serves the tests' network cameras, and what the tests of TLS and of the clock call.
RTSP_SERVER := python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-tools gstreamer1.0-plugins-base \
  gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav openssl gcc libc6-dev
# What the tests of updates and of the fleet call: cuts at system calls, clocks of another time, a browser.
TEST_TOOLS := strace faketime chromium

VEHICLE := tests/fissura tests/edge_runtime

# Data sets: a folder of sets, each with images/, masks/, train.txt and test.txt.
ifeq ($(origin FISSURA_DATA),undefined)
FISSURA_DATA := $(wildcard ../shared/data)
endif
export FISSURA_DATA := $(if $(FISSURA_DATA),$(abspath $(FISSURA_DATA)))

.PHONY: help install demo test test-vehicle test-rest test-slow test-floor lint bench docs clean mosquitto rtsp-server test-tools

help:
	@echo 'make install    the vehicle part, in $(VENV) (no torch)'
	@echo 'make demo       find cracks in the sample images, over MQTT; writes demo-out/report.html'
	@echo 'make test       the tests; make test-slow: those that take minutes'
	@echo 'make test-floor the vehicle part with the oldest libraries it runs on, in $(FLOOR)'
	@echo 'make lint       ruff, mypy, import-linter'
	@echo 'make bench      latency and throughput on this machine'
	@echo 'make docs       the documentation, in site/'
	@echo 'make clean      remove all that make has made'

install: $(VENV)/.stamp-edge

demo: $(VENV)/.stamp-edge
	$(BIN)/fissura demo --bundle examples/bundles/tiny --images examples/images --out demo-out

# In two processes side by side: what never loads PyTorch, which mostly waits, and the rest, which mostly computes.
test: $(VENV)/.stamp-dev mosquitto rtsp-server test-tools
# Half a minute on a busy machine, once: no test should have to wait for it.
	@$(BIN)/python -c 'from fissura.imaging.implementation import fastest; fastest()'
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target test-vehicle test-rest

test-vehicle:
	$(BIN)/python -m pytest -m "not slow" $(VEHICLE)

test-rest:
	$(BIN)/python -m pytest -m "not slow" $(VEHICLE:%=--ignore=%)

test-slow: $(VENV)/.stamp-dev mosquitto rtsp-server test-tools
	$(BIN)/python -m pytest -m slow

test-floor: $(FLOOR)/.stamp-floor mosquitto rtsp-server
	$(FLOOR)/bin/python -m pytest -m "not slow" tests/fissura tests/edge_runtime

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.stamp-dev mosquitto
	$(BIN)/python benchmarks/decode/run.py
	$(BIN)/python benchmarks/metrics/run.py
	$(BIN)/python benchmarks/losses/run.py
	$(BIN)/python benchmarks/mqtt/run.py
	$(BIN)/fissura bench examples/bundles/tiny

docs: $(VENV)/.stamp-dev
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) $(FLOOR) demo-out dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The tests that need a real broker, a real RTSP server or a compiler skip without it, and say so.
mosquitto:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v mosquitto >/dev/null || .ci/debian-package mosquitto \
	  || echo 'make: tests that need mosquitto will be skipped' >&2

rtsp-server:
	@{ /usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")' && gst-inspect-1.0 x264enc \
	  && gst-inspect-1.0 avdec_h264 && command -v openssl && command -v cc; } >/dev/null 2>&1 || .ci/debian-package $(RTSP_SERVER) \
	  || echo 'make: tests that need an RTSP server will be skipped' >&2

test-tools:
	@{ command -v strace && command -v faketime && command -v chromium; } >/dev/null 2>&1 || .ci/debian-package $(TEST_TOOLS) \
	  || echo 'make: tests that need one of $(TEST_TOOLS) will be skipped' >&2

$(VENV)/.stamp-edge: pyproject.toml $(VENV)/.stamp-venv
	$(BIN)/python -m pip install --quiet -e '.[edge]'
	@touch $@

# torch first and alone: its version is what everything else has to fit.
$(VENV)/.stamp-dev: pyproject.toml $(VENV)/.stamp-venv
	$(BIN)/python -m pip install torch==2.13.0
	$(BIN)/python -m pip install --quiet -e '.[all,dev,bench]'
	@touch $@ $(VENV)/.stamp-edge

# Without torch: the tests that need it skip, and say so.
$(FLOOR)/.stamp-floor: pyproject.toml .ci/floor.txt $(FLOOR)/.stamp-venv
	$(FLOOR)/bin/python -m pip install --quiet -c .ci/floor.txt -e '.[edge,test]'
	@touch $@

$(VENV)/.stamp-venv:
	@.ci/make-venv $(PYTHON) $(VENV)
	@touch $@

$(FLOOR)/.stamp-venv:
	@.ci/make-venv $(FLOOR_PYTHON) $(FLOOR)
	@touch $@
