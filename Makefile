# The front door. `make help` lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# sudo resets PATH, so look where Swift is usually unpacked as well.
SWIFT_BIN := $(shell command -v swift || ls -d /opt/swift*/usr/bin/swift /usr/share/swift*/usr/bin/swift /usr/local/swift*/usr/bin/swift 2>/dev/null | head -n 1)
export PATH := $(if $(SWIFT_BIN),$(dir $(SWIFT_BIN)):)$(PATH)

BUILD_PACKAGES := libseccomp-dev libcap-dev libarchive-dev zlib1g-dev libzstd-dev libsqlite3-dev pkg-config python3
RUN_PACKAGES   := iproute2 nftables curl
TEST_PACKAGES  := busybox-static crun runc podman umoci skopeo strace debootstrap qemu-system-x86 e2fsprogs dosfstools dpkg-dev python3-yaml python3-venv
BENCH_PACKAGES := wrk
PACKAGE_PACKAGES := dpkg-dev
IMAGES         := .build/images
DATA_DIR       ?= /var/lib/swiftlet
RUN_DIR        ?= /run/swiftlet
RELEASE        := swift build -c release --static-swift-stdlib

.PHONY: help deps deps-test swift build deb images up down reset test test-unit test-node test-e2e test-machine check bench mutants generate clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

swift:
	@command -v swift >/dev/null || { echo "make: swift was not found: install Swift 6.2 or newer (https://swift.org/install) and put it on the PATH"; exit 1; }

deps: swift ## install the Debian packages that building and running need
	@.ci/apt $(BUILD_PACKAGES) $(RUN_PACKAGES)
	@command -v kubectl >/dev/null || echo "make: kubectl was not found: the cluster works without it, but you will want kubectl 1.30 or newer to talk to it"

deps-test: deps
	@.ci/apt $(TEST_PACKAGES)
	@command -v kubectl >/dev/null || { echo "make: kubectl was not found: the end-to-end tests need kubectl 1.30 or newer on the PATH"; exit 1; }
	@[ -e .build/clients/ready ] || { python3 -m venv .build/clients && .build/clients/bin/pip install -q --disable-pip-version-check kubernetes && touch .build/clients/ready; }

build: swift ## build the release programs into .build/release
	$(RELEASE) --product swiftlet
	$(RELEASE) --product swiftlet-shim

deb: build ## make a Debian package in .build/packages
	@.ci/apt $(PACKAGE_PACKAGES)
	@systemd/package

images: $(IMAGES)/busybox.tar $(IMAGES)/curl.tar $(IMAGES)/nginx.tar $(IMAGES)/python3.tar ## build the example images from Debian packages

$(IMAGES)/%.tar: rootfs-tools/images/%.toml $(wildcard rootfs-tools/rootfs/*.py) rootfs-tools/mkimage
	@mkdir -p $(IMAGES)
	rootfs-tools/mkimage build $* -o $@

up: deps build $(IMAGES)/nginx.tar $(IMAGES)/busybox.tar $(IMAGES)/curl.tar ## start a one-node cluster with the demo pod (as root); Ctrl-C or `make down` stops it
	@DATA_DIR=$(DATA_DIR) RUN_DIR=$(RUN_DIR) IMAGES=$(IMAGES) examples/up

down: ## stop what `make up` started; pods keep running until `make reset`
	@.build/release/swiftlet down --run-dir $(RUN_DIR)

reset: ## stop the cluster, end its pods and leave the host as it was
	@.build/release/swiftlet reset --yes --data-dir $(DATA_DIR) --run-dir $(RUN_DIR)

generate: swift ## regenerate the API's types and tables from the schemas
	swift run swiftlet-schema generate

check: swift ## dependency directions, generated files, import closure of the shim
	@.ci/check

test: deps-test ## build everything and run all tests (as root)
	@.ci/test

test-unit: swift ## the tests that need no root
	swift test --skip NodeTests --skip EndToEndTests

test-node: deps-test ## real namespaces, cgroups and images (as root)
	@.ci/test node

test-e2e: deps-test ## a cluster and the real kubectl (as root)
	@.ci/test e2e

test-machine: deps-test ## a Debian machine under qemu (as root)
	@.ci/test machine

mutants: deps-test ## break the code on purpose; every mutant must be caught by a test (as root)
	@.ci/mutants

bench: deps-test build images ## measure side by side with crun and runc (as root)
	@.ci/apt $(BENCH_PACKAGES)
	$(RELEASE) --product swiftlet-bench
	$(RELEASE) --product swiftlet-bench-services
	@Benchmarks/run

clean: ## remove what was built
	rm -rf .build
