# cove: registry, image builder and container runner.
# Everything that a target needs beyond Go 1.26 it installs itself, as root from Debian's packages.

SHELL    := bash
GO       ?= go
BINARIES := cove registry build run cove-runtime cove-api
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X cove/internal/buildinfo.version=$(VERSION)
CACHE    := $(CURDIR)/.cache
LINT     := $(CACHE)/tools/golangci-lint
LINT_VERSION := v2.15.0
NFPM     := $(CACHE)/tools/nfpm
NFPM_VERSION := v2.43.0
CYCLONEDX := $(CACHE)/tools/cyclonedx-gomod
CYCLONEDX_VERSION := v1.10.0
BUILDX   := $(CACHE)/tools/buildx
BUILDX_VERSION := v0.38.2
COMPOSE  := $(CACHE)/tools/docker-compose
COMPOSE_VERSION := v2.40.3
HELM     := $(CACHE)/tools/helm
HELM_VERSION := v3.22.0
CRANE    := $(CACHE)/tools/crane
CRANE_VERSION := v0.22.1
REGCTL   := $(CACHE)/tools/regctl
REGCTL_VERSION := v0.11.7
COSIGN   := $(CACHE)/tools/cosign
COSIGN_VERSION := v2.6.5
S3SERVER := $(CACHE)/tools/versitygw
S3SERVER_VERSION := v1.8.0
PEBBLE   := $(CACHE)/tools/pebble
PEBBLE_VERSION := v2.10.3
SYFT     := $(CACHE)/tools/syft
SYFT_VERSION := v1.57.1
GRYPE    := $(CACHE)/tools/grype
GRYPEDB  := $(CACHE)/tools/grypedb
GRYPE_VERSION := v0.121.3
TRIVY    := $(CACHE)/tools/trivy
TRIVY_VERSION := v0.74.0
TESTSUM  := $(CACHE)/tools/gotestsum
TESTSUM_VERSION := v1.13.0
VULNCHECK := $(CACHE)/tools/govulncheck
VULNCHECK_VERSION := v1.9.0
VULNDB   := golang.org/x/vulndb
# The race detector is for our code; SQLite under it is ten times slower.
TESTFLAGS ?= -race -gcflags='modernc.org/...=-race=false'

export GOTOOLCHAIN ?= local

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: go-version web ## build the six static binaries into bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/cove ./cmd/registry ./cmd/build ./cmd/run ./cmd/cove-api
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/cove-runtime ./cmd/cove-runtime

.PHONY: compose
compose: go-version ## build docker's compose of its library, for `cove compose` without the plugin
	cd cmd/cove-compose && CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$$(./ldflags.sh)" -o $(CURDIR)/bin/ .

# What the pages load is embedded: htmx from npm, and all of it compressed.
PAGES := registry/web/view
NPM   := $(CACHE)/npm

.PHONY: web
web: $(PAGES)/dist/sums.json ## what the registry's pages load, into registry/web/view/dist

$(PAGES)/dist/sums.json: $(PAGES)/build.mjs $(NPM)/node_modules/.package-lock.json $(wildcard $(PAGES)/assets/*)
	@node $(PAGES)/build.mjs $(NPM)/node_modules

$(NPM)/node_modules/.package-lock.json: $(PAGES)/package.json $(PAGES)/package-lock.json | deps-web
	@mkdir -p $(NPM) && cp $(PAGES)/package.json $(PAGES)/package-lock.json $(NPM)/
	@cd $(NPM) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Node's clients of docker, which the tests drive cove with.
CLIENTS := $(CACHE)/clients

$(CLIENTS)/node_modules/.package-lock.json: e2e/clients/node/package.json e2e/clients/node/package-lock.json | deps-web
	@mkdir -p $(CLIENTS) && cp e2e/clients/node/package.json e2e/clients/node/package-lock.json $(CLIENTS)/
	@cd $(CLIENTS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: registry-otel
registry-otel: go-version web ## bin/registry-otel, a registry that sends traces (OpenTelemetry)
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -tags otel -ldflags '$(LDFLAGS)' -o bin/registry-otel ./cmd/registry

.PHONY: demo
demo: deps-demo build ## the whole road: base image, build, push over TLS, pull, run, clean up
	@DEMO_BASE=$${DEMO_BASE:-$(CACHE)/debian.tar} fixtures/demo.sh

.PHONY: test
test: deps-test build ## everything: lint, unit, integration and end-to-end tests with the race detector
	@if [ "$$(id -u)" != 0 ]; then echo; echo "  *** not root: privileged tests will be SKIPPED ***"; echo; fi
	$(MAKE) lint
# A few tests that failed beside all others are run again alone: what fails then, or has a data race, has failed.
# The summary names them with what they said, and each skipped test with its reason.
	@$(TESTSUM) --format pkgname --format-icons text --format-hide-empty-pkg --packages ./... --rerun-fails=1 \
	  --rerun-fails-max-failures 5 --rerun-fails-abort-on-data-race --rerun-fails-run-root-test -- $(TESTFLAGS) -timeout 15m
	$(GO) vet -tags otel ./registry/span/... ./registry/server
	$(GO) test -tags otel ./registry/server -run TestTraces

.PHONY: lint
lint: $(LINT) ## go vet and golangci-lint
	$(GO) vet ./...
	$(LINT) run --allow-parallel-runners ./...

$(LINT):
	GOBIN=$(CACHE)/tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

$(BUILDX):
	CGO_ENABLED=0 GOBIN=$(CACHE)/tools $(GO) install -trimpath -ldflags '-s -w -X github.com/docker/buildx/version.Version=$(BUILDX_VERSION)' \
	  github.com/docker/buildx/cmd/buildx@$(BUILDX_VERSION)

# compose's go.mod has exclusions, which go install refuses: it is built from a module beside it.
$(COMPOSE):
	@set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; cd "$$work"; $(GO) mod init compose 2>/dev/null; \
	$(GO) get github.com/docker/compose/v2/cmd@$(COMPOSE_VERSION); \
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X github.com/docker/compose/v2/internal.Version=$(COMPOSE_VERSION)' \
	  -o $@ github.com/docker/compose/v2/cmd

$(HELM):
	CGO_ENABLED=0 GOBIN=$(CACHE)/tools $(GO) install -trimpath -ldflags '-s -w' helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
$(CRANE):
	CGO_ENABLED=0 GOBIN=$(CACHE)/tools $(GO) install -trimpath -ldflags '-s -w' github.com/google/go-containerregistry/cmd/crane@$(CRANE_VERSION)
$(REGCTL):
	CGO_ENABLED=0 GOBIN=$(CACHE)/tools $(GO) install -trimpath -ldflags '-s -w' github.com/regclient/regclient/cmd/regctl@$(REGCTL_VERSION)
$(COSIGN):
	CGO_ENABLED=0 GOBIN=$(CACHE)/tools $(GO) install -trimpath -ldflags '-s -w' github.com/sigstore/cosign/v2/cmd/cosign@$(COSIGN_VERSION)
$(S3SERVER):
	GOBIN=$(CACHE)/tools $(GO) install github.com/versity/versitygw/cmd/versitygw@$(S3SERVER_VERSION)
$(TESTSUM):
	GOBIN=$(CACHE)/tools $(GO) install gotest.tools/gotestsum@$(TESTSUM_VERSION)
$(PEBBLE):
	GOBIN=$(CACHE)/tools $(GO) install github.com/letsencrypt/pebble/v2/cmd/pebble@$(PEBBLE_VERSION)

# Scanners of others, for what they read of the same images. Each is of a module that is no part of this one.
$(SYFT):
	CGO_ENABLED=0 GOBIN=$(CACHE)/tools $(GO) install -trimpath -ldflags '-s -w' github.com/anchore/syft/cmd/syft@$(SYFT_VERSION)
$(GRYPE):
	CGO_ENABLED=0 GOBIN=$(CACHE)/tools $(GO) install -trimpath -ldflags '-s -w' github.com/anchore/grype/cmd/grype@$(GRYPE_VERSION)
$(GRYPEDB): e2e/clients/grype/main.go
	@set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; sed 1d $< >"$$work/main.go"; cd "$$work"; $(GO) mod init grypedb 2>/dev/null; \
	$(GO) get github.com/anchore/grype@$(GRYPE_VERSION); $(GO) mod tidy -e >/dev/null 2>&1; CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $@ .
$(TRIVY):
	CGO_ENABLED=0 GOEXPERIMENT=jsonv2 GOBIN=$(CACHE)/tools $(GO) install -trimpath -ldflags '-s -w' \
	  github.com/aquasecurity/trivy/cmd/trivy@$(TRIVY_VERSION)

.PHONY: dist
dist: go-version web deps-dist ## what is given out, into dist/: tarballs, .deb, .rpm, the registry's image, checksums
	@VERSION='$(VERSION)' LDFLAGS='$(LDFLAGS)' BINARIES='$(addprefix ./cmd/,$(BINARIES))' NFPM=$(NFPM) CYCLONEDX=$(CYCLONEDX) packaging/dist.sh

$(NFPM):
	GOBIN=$(CACHE)/tools $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)

$(CYCLONEDX):
	GOBIN=$(CACHE)/tools $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

.PHONY: bench
bench: deps-bench build $(BUILDX) ## measure against the peers, interleaved; writes bench/results.md
	$(GO) run ./bench

OLDER := $(CACHE)/older/bin/registry
.PHONY: $(OLDER)
$(OLDER):
	rm -rf $(CACHE)/older && mkdir -p $(CACHE)/older
	git archive "$$(git log -1 --format=%H -- registry/metadata/migrations)^" | tar -xC $(CACHE)/older
	$(MAKE) -C $(CACHE)/older web && cd $(CACHE)/older && $(GO) build -o bin/registry ./cmd/registry

.PHONY: soak
soak: deps-test deps-soak $(COSIGN) $(SYFT) $(GRYPE) $(GRYPEDB) $(TRIVY) ## what only shows after long: a million questions to the resolver, hundreds of kills and cuts of the power, a gibibyte through one stream, a blob of five
	SOAK_QUERIES=1000000 $(GO) test ./network/resolve -run TestSoak -count=1 -v -timeout 60m
	$(GO) test ./internal/cli/registrycmd -run 'Killed|TestPowerCut|TestLargeBlob|TestCosign|TestMixedLoad|TestStorm|TestCrowd' -count=1 -v -timeout 60m \
	  -args -kills=200 -cuts=100 -maintenance-kills=30 -replica-kills=100 -backup-kills=20 -large-blob=5368709120 \
	  -mixed-for=10m -mixed-clients=8 -mixed-size=1048576 -mixed-pause=30s -mixed-lease=20s \
	  -storm=2000 -storm-for=20s -storm-stall=30s -crowd=2000
# The registry of before the newest step of the schema, beside this one.
	$(MAKE) $(OLDER)
	$(GO) test ./internal/cli/registrycmd -run TestRollingUpgrade -count=1 -v -timeout 10m -args -older=$(OLDER)
# What 10,000 members, 1,000 groups, 1,000 robots and 500 rules of one project cost each decision.
	$(GO) test ./registry/server -run '^$$' -bench BenchmarkRights -benchtime 300x -timeout 30m
# Images that grype scans, through an adapter of Harbor's API of scanners.
	COVE_SOAK=1 $(GO) test ./internal/cli/registrycmd -run TestGrypeScans -count=1 -v -timeout 30m
# The slowest pages, on a registry that is full: 100,000 artifacts and 1,000,000 lines of the audit log.
	$(GO) test ./registry/web -run '^$$' -bench BenchmarkPages -benchtime 50x -timeout 60m
	COVE_SOAK=1 $(GO) test ./engine/api -run TestStreamsUnderLoad -count=1 -v -timeout 30m
# Ten thousand starts, execs and health checks, fork bombs and a gibibyte of logs, links exchanged under verbs, kills of every verb.
	COVE_SOAK=1 $(GO) test ./e2e -run 'LeakNothing|TestLimitsAreExact|TestSwaps|TestOpenFiles|TestKilledAnywhere|TestKilledRuntime' -count=1 -v -timeout 120m
	COVE_SOAK=1 $(GO) test ./engine -run TestManyEnginesOnOneRoot -count=1 -v -timeout 30m
# The server of docker's API, killed at every verb.
	COVE_SOAK=1 $(GO) test ./e2e -run TestKilledAPIAnywhere -count=1 -v -timeout 60m
# Applications from the packages of Debian, npm and pip, and Java, the whole road.
	COVE_SOAK=1 $(GO) test ./e2e -run TestFixtures -count=1 -v -timeout 60m
# The tests that docker's clients have of their own, WordPress with the MySQL that Debian has, and what a dockerd has, moved over.
	COVE_SOAK=1 $(GO) test ./e2e -run 'OwnTests|TestComposeWithMySQL|TestMoveFromDockerd' -count=1 -v -timeout 180m
# Dockerfiles that nobody wrote, built by BuildKit too.
	COVE_SOAK=1 $(GO) test ./e2e -run TestBesideBuildKit -count=1 -v -timeout 60m
# A thousand containers in one list.
	$(GO) test ./engine/api -run '^$$' -bench BenchmarkListThousand -benchtime 20x -timeout 30m
# The registry of the other processor; pulls while 100,000 blobs are collected; 100,000 tags beside 100.
	COVE_SOAK=1 $(GO) test ./packaging -run TestRegistryOfTheOtherProcessor -count=1 -v -timeout 30m
	$(GO) test ./registry/store -run '^$$' -bench 'CollectWhileServing|ManyTags' -benchtime 1x -timeout 60m
# Collections forced through the gaps of all else, twenty thousand times.
	$(GO) test ./registry/store -run TestGarbageCollectionLosesNothing -count=1 -v -timeout 120m -args -schedules=20000 -schedules-for=60m
# A blob of a hundred gibibytes, through a registry whose bucket keeps nothing.
	$(GO) test ./internal/cli/registrycmd -run TestStreamedBlob -count=1 -v -timeout 120m -args -streamed-blob=107374182400
# The plans of both databases with a million artifacts.
	$(GO) test ./registry/server -run 'TestPlansAtSize$$|TestPlansAtSizeOnSQLite' -count=1 -v -timeout 90m -args -plan-artifacts=1000000
# A hundred thousand questions of the protocol, beside a model that knows each answer.
	$(GO) test ./registry/server -run TestAPIAgainstAModel -count=1 -v -timeout 60m -args -model-steps=100000
# All texts of strangers, and all forms for strangers, in a browser.
	COVE_SOAK=1 $(GO) test ./registry/web/browsertest -run 'Strangers' -count=1 -v -timeout 60m
# What syft reads of the same images, and bills that syft, grype and trivy read.
	COVE_SOAK=1 $(GO) test ./inventory -run 'TestBesideSyft|TestBillsAreRead' -count=1 -v -timeout 60m
# Two minutes of wrong passwords: those of each kind of account less than a millisecond apart from nobody's.
	COVE_SOAK=1 $(GO) test ./registry/server -run TestTimeOfWrongPasswords -count=1 -v -timeout 60m
# Ceph's object gateway in the place of versitygw: a cluster of one node, in memory.
	COVE_TEST_S3=ceph $(GO) test -p 1 ./content/s3store/... ./registry/storage ./registry/records -count=1 -v -timeout 60m

# The database is a module, as the Go project publishes its reports; its own tool makes an index of them. It is the newest, so this
# is no part of the tests, whose outcome is the tree's alone. What is said of the standard library goes with a newer Go:
# GOTOOLCHAIN=go1.26.10 make vulncheck says whether that one is enough, and GOTOOLCHAIN=go1.26.10 make dist builds with it.
.PHONY: vulncheck
vulncheck: $(VULNCHECK) ## known vulnerabilities in what the programs call, by the Go project's database
	@set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	export GOTOOLCHAIN; latest=$$(cd / && $(GO) list -m -f '{{.Version}}' $(VULNDB)@latest); \
	reports=$$(cd / && $(GO) mod download -json $(VULNDB)@$$latest | sed -n 's/^\t"Dir": "\(.*\)",\?$$/\1/p'); \
	echo "$(VULNDB) $$latest, $$(ls "$$reports/data/osv" | wc -l) reports; $$($(GO) version)"; \
	GOBIN="$$work" $(GO) install $(VULNDB)/cmd/indexdb@$$latest; "$$work/indexdb" -vulns "$$reports/data/osv" -out "$$work/db"; \
	status=0; $(VULNCHECK) -db "file://$$work/db" ./cmd/... || status=$$?; \
	cd cmd/cove-compose; $(VULNCHECK) -db "file://$$work/db" . || status=$$?; exit $$status

$(VULNCHECK):
	GOBIN=$(CACHE)/tools $(GO) install golang.org/x/vuln/cmd/govulncheck@$(VULNCHECK_VERSION)

# Without the limit on minimising, a worker may spend its whole time on making one input smaller.
.PHONY: fuzz
fuzz: ## every fuzz target for 60 s each
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r f; do \
	  for fn in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+).*/\1/p' "$$f"); do \
	    echo "== $$(dirname "$$f") $$fn"; $(GO) test -run '^$$' -fuzz "^$$fn\$$" -fuzztime 60s -fuzzminimizetime 10x "$$(dirname "$$f")" || exit 1; done; done

.PHONY: test-vm
test-vm: deps-vm build ## the runner in Debian's own kernel (6.1, cgroup v2) under QEMU: a Debian with systemd and AppArmor, then its tests; with ARCH=arm64 in that of another processor
ifeq ($(ARCH),arm64)
	@fixtures/vm/arm64.sh
else
	@fixtures/vm/debian.sh
	@fixtures/vm/run.sh
endif

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin dist .cache

# docker's command lines, for the tests alone: the newest is built from its module, whose go.mod has another name.
DOCKER_NEW := $(CACHE)/tools/docker-28.2
DOCKER_OLD := $(CACHE)/tools/docker-20.10/usr/bin/docker
CONTAINERD := $(CACHE)/tools/containerd-1.6/usr/bin/containerd

$(DOCKER_NEW):
	@set -e; $(GO) mod download github.com/docker/cli@v28.2.2+incompatible; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	cp -r "$$($(GO) env GOMODCACHE)/github.com/docker/cli@v28.2.2+incompatible/." "$$work"; chmod -R u+w "$$work"; cd "$$work"; \
	cp vendor.mod go.mod; cp vendor.sum go.sum; \
	$(GO) mod edit -replace github.com/docker/docker=github.com/docker/docker@v28.2.2+incompatible; \
	CGO_ENABLED=0 GOFLAGS=-mod=mod $(GO) build -trimpath -ldflags '-s -w -X github.com/docker/cli/cli/version.Version=28.2.2' \
	  -o $@ ./cmd/docker

$(DOCKER_OLD):
	@set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; cd "$$work"; \
	apt-get download docker.io >/dev/null 2>&1; dpkg -x docker.io_*.deb $(CACHE)/tools/docker-20.10

# Unpacked, not installed: a package that is installed starts its daemon.
$(CONTAINERD):
	@set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; cd "$$work"; \
	apt-get download containerd >/dev/null 2>&1; dpkg -x containerd_*.deb $(CACHE)/tools/containerd-1.6

# -- what the targets need -----------------------------------------------------

.PHONY: go-version
go-version:
	@$(GO) version | grep -qE 'go1\.(2[6-9]|[3-9][0-9])' || { echo "Go 1.26 or newer is needed; 'go version' says: $$($(GO) version 2>&1)"; exit 1; }

# $(call deps,packages): install the Debian packages that are missing.
define deps
@missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
if [ -n "$$missing" ]; then \
  if [ "$$(id -u)" != 0 ]; then echo "not root: please install:" $$missing; exit 1; fi; \
  echo "installing" $$missing; \
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing; } >/tmp/cove-apt.$$$$ 2>&1 \
    || { tail -20 /tmp/cove-apt.$$$$; rm -f /tmp/cove-apt.$$$$; exit 1; }; rm -f /tmp/cove-apt.$$$$; fi
endef

.PHONY: deps-demo deps-test deps-soak deps-bench deps-vm deps-web deps-dist deps-disks
deps-dist: $(NFPM) $(CYCLONEDX)
	$(call deps,ca-certificates)
# Node.js may come from elsewhere than Debian.
deps-web:
	$(if $(and $(shell command -v node),$(shell command -v npm)),,$(call deps,nodejs npm))
deps-demo:
	$(call deps,mmdebstrap ca-certificates)
# The tests start PostgreSQL servers of their own; the package is to make and start none.
# slapd is to make no directory either, and sshd not to serve: each test starts one of its own.
# S3 they find at versitygw, which Debian does not have. The text of the specification is a module, and so are databases that
# rpm left on other systems: they are what another reader is tested with.
deps-test: deps-demo deps-dist deps-disks $(TESTSUM) $(S3SERVER) $(PEBBLE) $(HELM) $(DOCKER_NEW) $(DOCKER_OLD) $(BUILDX) $(COMPOSE) $(CLIENTS)/node_modules/.package-lock.json \
  $(CRANE) $(REGCTL) $(CONTAINERD)
	@if [ "$$(id -u)" = 0 ] && [ ! -e /etc/postgresql-common ]; then \
	  mkdir /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf; fi
	@if [ "$$(id -u)" = 0 ] && [ ! -e /etc/ssh/sshd_config ]; then mkdir -p /etc/ssh && touch /etc/ssh/sshd_not_to_be_run; fi
	@cd / && $(GO) mod download github.com/opencontainers/distribution-spec@v1.1.1
	@cd / && $(GO) mod download github.com/anchore/go-rpmdb@v0.2.2
	@cd e2e/clients && $(GO) mod download
	@cd cmd/cove-compose && $(GO) mod download
	@cd e2e/clients/harbor && $(GO) mod download
	@cd e2e/clients/oras && $(GO) mod download
	@cd e2e/clients/dex && $(GO) mod download
	@cd e2e/clients/conformance && $(GO) mod download
	@cd e2e/clients/conformance/2023 && $(GO) mod download
	@cd e2e/clients/model && $(GO) mod download
	@echo 'slapd slapd/no_configuration boolean true' | debconf-set-selections 2>/dev/null || true
	$(call deps,gcc libc6-dev git openssh-client openssh-server busybox-static skopeo podman buildah curl nftables postgresql libseccomp-dev qemu-user-static xz-utils zstd bzip2 chromium libnss3-tools fonts-noto-cjk \
	  systemd python3-docker libarchive-tools slapd prometheus docker-registry uidmap passt slirp4netns rpm maven python3-packaging)
# File systems for disks whose power is cut.
deps-disks:
	$(call deps,e2fsprogs xfsprogs btrfs-progs)
# Its packages start nothing without a configuration in /etc/ceph.
deps-soak:
	$(call deps,ceph-mon ceph-osd ceph-common radosgw runc)
deps-bench: deps-demo
	$(call deps,podman buildah runc crun docker.io docker-registry netavark aardvark-dns iproute2)
deps-vm:
	$(call deps,$(if $(filter arm64,$(ARCH)),qemu-system-arm,qemu-system-x86) busybox-static cpio kmod nftables slirp4netns procps runc mmdebstrap e2fsprogs)
