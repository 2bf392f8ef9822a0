# Two commands: `make quickstart` and `make test`. Without make: python3 scripts/run.py TARGET
PYTHON ?= python3
export PIP_ARGS ARGS

.PHONY: quickstart test test-soak check core docs benchmark
quickstart test test-soak check core docs benchmark:
	@$(PYTHON) scripts/run.py $@
