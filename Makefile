# Two commands: `make run` and `make test`. Each sets up what is missing (bootstrap.sh) and then does its work.
# Without make: `sh run.sh`, `sh test.sh`.
.DEFAULT_GOAL := help
.PHONY: help run test test-all check format lab bench mutants golden handbook lock sbom audit bundle clean setup extras

# Another environment's variables must not reach ours.
unexport PYTHONPATH PYTHONHOME
PY := .venv/bin/python
CHECKS := \
    "ruff format --check --output-format concise ." \
    "ruff check --output-format concise ." \
    "mypy toolkit" \
    "mypy --config-file mypy-frames.ini" \
    "lint-imports --no-cache --no-logo" \
    "python -m toolkit.reporting.formats.handbook --check"

help: ## 本说明 | this list
	@awk -F ' *## *| *[|] *' '/^[a-z-]+:.*## /{split($$1, t, ":"); printf "  make %-9s %s  %s\n", t[1], $$2, $$3}' Makefile

setup:
	@sh bootstrap.sh dev

extras: ## 安装可选部分：Spark 引擎、MS-DRG 分组 | install the optional extras: the Spark engine, MS-DRG grouping
	@sh bootstrap.sh extras

run: ## 安装并运行示例评估 | set up and run the demo evaluation
	@sh run.sh

test: ## 安装并运行快速测试，比对笔记本 | set up, run the fast tests, compare the notebooks
	@sh test.sh

test-all: setup ## 全部测试，含慢测试（Spark、完整安装） | every test, the slow ones too
	@sh test.sh
	@sh test.sh -n 2 --dist worksteal -m slow tests

# Every step runs, so that one look shows all there is to mend.
check: setup ## 格式、规则、类型、分层、生成的文档 | format, lint, types, layers, generated documents
	@failed=; for step in $(CHECKS); do \
	    echo "== $$step"; .venv/bin/$$step || failed="$$failed; $$step"; \
	done; \
	if [ -n "$$failed" ]; then echo "未通过 failed: $${failed#; }"; exit 1; fi

format: setup ## 统一格式，改正能自动改的 | format, and mend what can be mended
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

lab: ## 打开中文 JupyterLab（仅本机） | open JupyterLab on notebooks/, this machine only
	@sh jupyter/lab.sh

bench: setup ## 性能测试 | benchmarks
	$(PY) -m benchmarks

mutants: setup ## 变异测试：改动关键代码后是否有测试失败 | do the tests see a changed line in the files that matter most
	$(PY) -c "import cosmic_ray" 2>/dev/null || $(PY) -m pip install -q --target .tools/mutants cosmic-ray
	PYTHONPATH=.tools/mutants $(PY) -m benchmarks.mutants

handbook: setup ## 重新生成指标手册与参数模式 | make the handbook and the parameter schema anew
	$(PY) -m toolkit.reporting.formats.handbook

golden: setup ## 重新生成基准结果（须在 CHANGELOG 说明） | make the golden results anew
	$(PY) -m tests.golden

# uv resolves in seconds and for every platform at once; pip installs. uv does not read pip.conf: where PyPI is not
# within reach, set UV_DEFAULT_INDEX to the mirror; certificates are the system's, as for pip. Versions stay unless
# pyproject.toml asks; UPGRADE=1 takes the newest. Each later lock holds only what requirements.lock does not.
COMPILE = PATH="$$PWD/.tools/bin:$$PATH" UV_SYSTEM_CERTS="$${UV_SYSTEM_CERTS:-true}" UV_CUSTOM_COMPILE_COMMAND="make lock" \
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url $(if $(UPGRADE),--upgrade)
BEYOND = -c requirements.lock $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.lock | sort -u)

lock: setup ## 重新生成三份锁定文件（UPGRADE=1 取最新） | make the three lock files anew
	@PATH="$$PWD/.tools/bin:$$PATH"; command -v uv >/dev/null 2>&1 \
	    || $(PY) -m pip install -q --target .tools uv || python3 -m pip install -q --target .tools uv
	$(COMPILE) --group build pyproject.toml -o requirements.lock
	$(COMPILE) $(BEYOND) --group dev -o requirements-dev.lock
	$(PY) -c "import tomllib; [print(p) for e in tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies'].values() for p in e]" \
	    | $(COMPILE) $(BEYOND) - -o requirements-extras.lock

bundle: setup ## 打包成离线安装包（dist/） | pack everything into one archive for a closed network
	@sh bundle/pack.sh

sbom: setup ## 软件物料清单 CycloneDX（dist/*.cdx.json） | bills of materials from the locks
	@PYTHON=$(PY) sh bundle/sbom.sh

audit: sbom ## 已知漏洞；漏洞库无法访问时说明并跳过 | known vulnerabilities of the locked packages, where a database can be reached
	@$(PY) bundle/audit.py requirements*.lock

clean: ## 删除环境和缓存，不动 reports/ | remove the environment and caches, never reports/
	rm -rf .venv .venv-setup.lock .tools dist .jupyter .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
