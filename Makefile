# Two commands: `make quickstart` and `make test`. Without make: python3 scripts/run.py TARGET
PYTHON ?= python3
export PIP_ARGS ARGS

.PHONY: quickstart test test-soak check core docs
quickstart test test-soak check core docs:
	@$(PYTHON) scripts/run.py $@
