# Everything starts here; "make" alone says what there is. Nothing needs to be
# installed but git, make and Go: what else is needed is built, or installed
# from Debian's packages, on first use.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Two builds at once only get in each other's way.
.NOTPARALLEL:

# The name of the local cluster. Several can live side by side.
CLUSTER ?= devserver
export CLUSTER

VERSION := $(shell cat VERSION)
# As local/ builds Kubernetes and the images, so that what they share is compiled
# once; without debugging information, an eighth faster.
LEAN := -trimpath -buildvcs=false -gcflags=all=-dwarf=false
BUILD_FLAGS := $(LEAN) -ldflags '-s -w -X devserver.io/devserver/internal/version.Version=$(VERSION)'
TOOL := go tool -modfile=tools/go.mod

##@ Use
.PHONY: demo
demo: up build ## the whole way, from nothing to a shell in a DevServer on a local cluster
	demo/demo.sh

.PHONY: up
up: bin/local ## a local cluster with this checkout's operator in it; also after a change
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
build: bin/local ## put every program into bin/: devctl (also as kubectl-devserver), operator, agent, gateway, local, kubectl
	@echo "Building the programs in bin/ (from an empty cache, a few minutes)" >&2
	@CGO_ENABLED=0 go build $(BUILD_FLAGS) -o bin/ ./cmd/...
	@ln -sf devctl bin/kubectl-devserver
	@dir=$$(bin/local binaries --only kubectl) && install -m 0755 "$$dir/kubectl" bin/kubectl

.PHONY: images
images: bin/local ## all images, for amd64 and arm64, in dist/images; REGISTRY=host/path pushes them
	bin/local images $(if $(REGISTRY),--push=$(REGISTRY))

.PHONY: generate
generate: ## derive CRDs, roles, deep copies, docs/api.md and docs/devctl.md from the Go code
	go -C tools run ./generate ..
	go run ./internal/cli/manual markdown docs/devctl.md

.PHONY: man
man: ## man pages of devctl, in dist/man
	go run $(BUILD_FLAGS) ./internal/cli/manual man dist/man

##@ Check
.PHONY: test
test: test-unit test-e2e ## all tests, the end-to-end ones on a local cluster of their own

.PHONY: lint
lint: lint-generated lint-chart lint-api lint-go ## linters, and whether generated files are up to date

# These bring what they need of a control plane, and need no cluster.
NO_CLUSTER := $(filter scale gateway,$(firstword $(ARGS)))
.PHONY: bench
bench: build $(if $(NO_CLUSTER),,up) ## measure how fast servers start and what they take; ARGS='start' for a part
	$(if $(if $(ARGS),$(filter gateway,$(ARGS)),all),tools/debian-packages openssh-server)
	assets=$$(bin/local binaries --only etcd,kube-apiserver,kube-controller-manager,helm) && \
		go -C test build -o ../bin/bench ./bench && \
		$(if $(NO_CLUSTER),,KUBECONFIG=$$(bin/local kubeconfig)) KUBEBUILDER_ASSETS="$$assets" exec bin/bench $(ARGS)

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@printf '\nCLUSTER=name chooses the local cluster (now %s).\n' '$(CLUSTER)'

# Parts of the above, for the one who works on them:
#
#   make test-unit PKG=./internal/operator/status RUN=TestPhase
#   make test-e2e RUN=TestSeed KEEP=1

PKG ?= ./...
TEST_FLAGS = $(if $(RUN),-run '$(RUN)')
TEST_PACKAGES := bash curl dash fuse3 git lftp openssh-client procps rsync sshfs tmux unzip xfsprogs zip

# The race detector watches the operator, agent and gateway. The tests of local/
# are compiled as bin/local is, and leave the node's own program out: anything
# else would mean to compile Kubernetes once more.
.PHONY: test-unit
test-unit: bin/local
	tools/debian-packages $(TEST_PACKAGES)
	assets=$$(bin/local binaries --only etcd,kube-apiserver,kubectl,helm) && \
		KUBEBUILDER_ASSETS="$$assets" go test -race -timeout 20m $(TEST_FLAGS) $(PKG)
ifeq ($(PKG),./...)
	CGO_ENABLED=0 go -C local test $(LEAN) $(TEST_FLAGS) ./internal/... ./cmd/local
endif

.PHONY: test-e2e
test-e2e: build
	tools/debian-packages $(TEST_PACKAGES)
	tools/e2e $(TEST_FLAGS)

# One program: golangci-lint with kube-api-linter in it.
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

.PHONY: lint-chart
lint-chart: bin/local
	dir=$$(bin/local binaries --only helm) && "$$dir/helm" lint --strict charts/devserver-operator

GENERATED := api config charts docs/api.md docs/devctl.md

.PHONY: lint-generated
lint-generated: generate
	@changed=$$(git status --porcelain -- $(GENERATED)); \
	if [[ -n $$changed ]]; then \
		git --no-pager diff --stat -- $(GENERATED); \
		printf 'These files are not what "make generate" makes, or not committed:\n%s\n' "$$changed" >&2; \
		exit 1; \
	fi

# Go finds out by itself what there is to build again.
.PHONY: bin/local
bin/local:
	@mkdir -p bin
	@[[ -e bin/local ]] || echo "Building bin/local (from an empty cache, a few minutes)" >&2
	@CGO_ENABLED=0 go -C local build $(LEAN) -o ../bin/local ./cmd/local
