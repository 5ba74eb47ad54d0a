# Building, trying and describing the image. Included by the Makefile.
IMAGE ?= localhost/backtest-worker:test
CONTAINER_TOOL ?= $(or $(shell command -v docker),$(shell command -v podman))
BASE_IMAGE ?= python:3.13-slim
TOOLS := var/tools
SBOM := var/sbom

.PHONY: image image-test sbom tools lint-deploy

image: ## Build the image with docker or podman
	$(CONTAINER_TOOL) build --build-arg BASE_IMAGE=$(BASE_IMAGE) --tag $(IMAGE) .

image-test: $(VENV)/.dev ## Build the image without a registry and run it confined (root, Debian)
	deploy/image/build.sh $(IMAGE)
	IMAGE=$(IMAGE) $(BIN)/python -m pytest deploy/image

tools: $(TOOLS)/.installed ## Install hadolint, shellcheck and the SBOM generator into var/tools

$(TOOLS)/.installed: deploy/tools.lock | $(BIN)/python
	@$(BIN)/python -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
		--only-binary :all: -r deploy/tools.lock
	@touch $@

lint-deploy: $(TOOLS)/.installed ## Check the Dockerfile and the shell scripts
	@$(TOOLS)/bin/hadolint Dockerfile
	@$(TOOLS)/bin/shellcheck deploy/*.sh deploy/image/*.sh deploy/image/podman

# What the image holds: an environment of exactly the runtime lock, described.
sbom: $(TOOLS)/.installed ## Write dist/sbom.json (CycloneDX) of what the image holds
	@rm -rf $(SBOM) && $(BIN)/python -m venv --without-pip $(SBOM)
	@$(BIN)/python -m pip --disable-pip-version-check --quiet --python $(SBOM)/bin/python install \
		--require-hashes --no-compile -r requirements/runtime.lock
	@$(BIN)/python -m pip --quiet --python $(SBOM)/bin/python uninstall --yes setuptools
	@mkdir -p dist
	@$(TOOLS)/bin/cyclonedx-py environment $(SBOM)/bin/python --pyproject pyproject.toml \
		--mc-type application --spec-version 1.6 --output-reproducible --output-format JSON \
		--output-file dist/sbom.json
	@$(BIN)/python deploy/licences.py dist/sbom.json >dist/licences.md
	@mv dist/licences.md docs/licences.md
	@rm -rf $(SBOM)

.PHONY: bench-cold
bench-cold: $(VENV)/.dev ## Measure a cold start: process start to first result in Firestore
	@$(BIN)/python -m benchmarks.cold_start
