# make run    the whole phone on this PC, with an exchange to call (ARGS="--web-port 8081" and the like go to phonelab up)
# make test   everything that must hold before a change is taken
# make bench  the phone and baresip side by side, what saving settings costs, and the SIP stack alone, in release builds
#
# Each target first installs the Debian packages that it needs (packages.debian), asking for root only for that.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test bench packages build format lint suite

# Found once the build packages are there; sets PATH so that cargo finds its own rustc.
CARGO = cargo=$$(.ci/cargo) && export PATH="$$(dirname "$$cargo"):$$PATH" && "$$cargo"
TARGET = $${CARGO_TARGET_DIR:-target}

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -n 5

packages:
	@.ci/packages build run test bench

run:
	@.ci/packages build run
	@echo "==> building (the first time takes some minutes)"
	@$(CARGO) build --workspace --bins
	@exec $(TARGET)/debug/phonelab up $(ARGS)

test:
	@.ci/packages build run test
	@$(MAKE) --no-print-directory format
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory suite
	@echo "==> all is well"

# A Debian toolchain comes without rustfmt and clippy: then these two say so and are left out.
format:
	@echo "==> format"
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --all --check; else echo "not checked: no rustfmt here"; fi

lint:
	@echo "==> clippy"
	@if $(CARGO) clippy --version >/dev/null 2>&1; then $(CARGO) clippy --workspace --all-targets --quiet -- -D warnings; \
	else echo "not checked: no clippy here"; fi

build:
	@echo "==> build"
	@$(CARGO) build --workspace --all-targets

# Without nextest all tests of a file are one process. Some have addresses and ports by their pid, and a journey beside another
# measures both: one at a time then.
suite:
	@echo "==> tests"
	@if $(CARGO) nextest --version >/dev/null 2>&1; then $(CARGO) nextest run --workspace; \
	else $(CARGO) test --workspace -- --test-threads=1; fi

bench:
	@.ci/packages build run bench
	@echo "==> building in release (takes some minutes)"
	@$(CARGO) build --release --workspace --bins
	@$(CARGO) bench -p house-tests
	@$(CARGO) bench -p sip-stack --bench stack
