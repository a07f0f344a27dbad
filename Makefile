# "make" alone lists the targets. They require git, make and Go. Everything else is
# built, or installed from Debian's packages, on first use.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Go builds in parallel by itself; two builds at once only slow each other down.
.NOTPARALLEL:

# The name of the local cluster. Several can run side by side.
CLUSTER ?= devserver
export CLUSTER

VERSION := $(shell cat VERSION)
# The flags with which local/ builds Kubernetes and the images, so shared packages
# are compiled once. Without debugging information that takes an eighth less time.
LEAN := -trimpath -buildvcs=false -gcflags=all=-dwarf=false
BUILD_FLAGS := $(LEAN) -ldflags '-s -w -X devserver.io/devserver/internal/version.Version=$(VERSION)'
TOOL := go tool -modfile=tools/go.mod

##@ Use
.PHONY: demo
demo: up build ## start a local cluster, create a server on it and log in
	demo/demo.sh

.PHONY: up
up: bin/local ## start a local cluster with this checkout's operator, or update it after a change
	bin/local up

.PHONY: down
down: bin/local ## remove the local cluster and everything in it
	bin/local down

.PHONY: kubeconfig
kubeconfig: bin/local ## print the path of the local cluster's kubeconfig
	@bin/local kubeconfig

.PHONY: crds
crds: ## print the CustomResourceDefinitions as plain YAML
	@cat config/crd/*.yaml

##@ Build
.PHONY: build
build: bin/local ## build bin/: devctl (also as kubectl-devserver), operator, agent, gateway, local, kubectl
	@echo "Building the programs in bin/ (from an empty cache, a few minutes)" >&2
	@CGO_ENABLED=0 go build $(BUILD_FLAGS) -o bin/ ./cmd/...
	@ln -sf devctl bin/kubectl-devserver
	@dir=$$(bin/local binaries --only kubectl) && install -m 0755 "$$dir/kubectl" bin/kubectl

.PHONY: images
images: bin/local ## build all images for amd64 and arm64 into dist/images; REGISTRY=host/path pushes them
	bin/local images $(if $(REGISTRY),--push=$(REGISTRY))

.PHONY: generate
generate: ## generate CRDs, roles, deep copies, docs/api.md and docs/devctl.md from the Go code
	go -C tools run ./generate ..
	go run ./internal/cli/manual markdown docs/devctl.md

.PHONY: man
man: ## write the man pages of devctl into dist/man
	go run $(BUILD_FLAGS) ./internal/cli/manual man dist/man

# BASE_URL is where you will publish the archives: the krew manifest contains it.
# Without it the manifest has https://downloads.example.com/devctl, to be replaced.
.PHONY: devctl-all
devctl-all: ## build devctl for linux, darwin and windows into dist/devctl, with checksums and a krew manifest
	go -C tools run ./archives $(if $(BASE_URL),-base-url='$(BASE_URL)') ..

##@ Check
.PHONY: test
test: test-unit test-e2e ## run all tests, the end-to-end tests on a local cluster of their own

.PHONY: lint
lint: lint-generated lint-words lint-chart lint-api lint-go lint-vulns ## run the linters and check that generated files are up to date

# The parts of the benchmark that start a control plane of their own.
NO_CLUSTER := $(filter scale gateway,$(firstword $(ARGS)))
.PHONY: bench
bench: build $(if $(NO_CLUSTER),,up) ## measure speed and resource use; ARGS='start' runs one part
	$(if $(if $(ARGS),$(filter gateway,$(ARGS)),all),tools/debian-packages openssh-server)
	assets=$$(bin/local binaries --only etcd,kube-apiserver,kube-controller-manager,helm) && \
		go -C test build -o ../bin/bench ./bench && \
		$(if $(NO_CLUSTER),,KUBECONFIG=$$(bin/local kubeconfig)) KUBEBUILDER_ASSETS="$$assets" exec bin/bench $(ARGS)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@printf '\nCLUSTER=name chooses the local cluster (now %s).\n' '$(CLUSTER)'

# Parts of the above:
#
#   make test-unit PKG=./internal/operator/status RUN=TestPhase
#   make test-e2e RUN=TestSeed KEEP=1

PKG ?= ./...
TEST_FLAGS = $(if $(RUN),-run '$(RUN)')
TEST_PACKAGES := bash curl dash fuse3 git lftp openssh-client procps rsync sshfs tmux unzip xfsprogs zip

# The tests of operator, agent and gateway run with the race detector. Those of
# local/ are compiled with the flags of bin/local and without the node's program:
# otherwise Kubernetes would be compiled once more.
.PHONY: test-unit
test-unit: bin/local
	tools/debian-packages $(TEST_PACKAGES)
	assets=$$(bin/local binaries --only etcd,kube-apiserver,kubectl,helm) && \
		KUBEBUILDER_ASSETS="$$assets" go test -race -timeout 20m $(TEST_FLAGS) $(PKG)
ifeq ($(PKG),./...)
	CGO_ENABLED=0 go -C local test $(LEAN) $(TEST_FLAGS) ./internal/... ./cmd/local
	go -C tools test $(TEST_FLAGS) ./...
endif

.PHONY: test-e2e
test-e2e: build
	tools/debian-packages $(TEST_PACKAGES)
	tools/e2e $(TEST_FLAGS)

# golangci-lint with kube-api-linter built in.
LINT := golangci-lint-kube-api-linter run --allow-parallel-runners
LOCAL_FLAGS := $(LEAN) -tags=no_btrfs,no_zfs,seccomp

.PHONY: lint-go
lint-go:
	$(TOOL) $(LINT) ./...
	cd test && go tool -modfile=../tools/go.mod $(LINT) ./...
	cd tools && go tool $(LINT) ./...
	cd local && CGO_ENABLED=0 GOFLAGS='$(LOCAL_FLAGS)' go tool -modfile=../tools/go.mod $(LINT) ./...

.PHONY: lint-api
lint-api:
	$(TOOL) $(LINT) --config=api/.golangci.yaml ./api/...

.PHONY: lint-words
lint-words:
	go -C tools run ./wordlint ..

.PHONY: lint-chart
lint-chart: bin/local
	dir=$$(bin/local binaries --only helm) && "$$dir/helm" lint --strict charts/devserver-operator --set images.registry=registry.example.com/devserver

.PHONY: lint-vulns
lint-vulns:
	go -C tools run ./vulncheck ..

GENERATED := api config charts docs/api.md docs/devctl.md

.PHONY: lint-generated
lint-generated: generate
	@changed=$$(git status --porcelain -- $(GENERATED)); \
	if [[ -n $$changed ]]; then \
		git --no-pager diff --stat -- $(GENERATED); \
		printf 'These files differ from what "make generate" writes, or are not committed:\n%s\n' "$$changed" >&2; \
		exit 1; \
	fi

# Go itself determines what to rebuild.
.PHONY: bin/local
bin/local:
	@mkdir -p bin
	@[[ -e bin/local ]] || echo "Building bin/local (from an empty cache, a few minutes)" >&2
	@CGO_ENABLED=0 go -C local build $(LEAN) -o ../bin/local ./cmd/local
