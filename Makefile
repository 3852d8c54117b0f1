# Two commands matter to a newcomer: `make demo` and `make test`. Both set up what they need first.
# CUDA=1 takes the newest torch with CUDA instead of the pinned one; TORCH_INDEX=URL takes torch from a wheel index
# of your choice (the CPU wheels are a tenth of the size).

PYTHON ?= python3.11
CUDA ?= 0
TORCH_INDEX ?=
STYLES ?= snowy_winter cyberpunk_neon
CREDIT := SuperTuxKart, supertuxkart.net, CC-BY-SA 4.0

BIN := .venv/bin
STAMP := .venv/.setup-cuda$(CUDA)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: setup demo test check format clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
ifeq ($(CUDA),1)
	sed '/^torch==/d' constraints.txt > .venv/constraints.txt
	$(PIP) install --quiet --upgrade torch
else
	cp constraints.txt .venv/constraints.txt
	$(if $(TORCH_INDEX),$(PIP) install --quiet --no-deps --index-url $(TORCH_INDEX) -c .venv/constraints.txt torch)
endif
	$(PIP) install --quiet -c .venv/constraints.txt -e '.[dev,train,worlds,inverse,editing]'
	rm -f .venv/.setup-cuda*
	touch $@

demo: setup
	$(BIN)/alaya render --input demo/hacienda.mp4 $(foreach s,$(STYLES),--style $(s)) --output outputs/demo \
		--credit "$(CREDIT)"
	@echo
	@echo "The restyled videos:"; ls -1 outputs/demo/edits/*.mp4
	@echo "The five G-buffers, one folder each:"; ls -1d outputs/demo/albedo outputs/demo/normal outputs/demo/depth \
		outputs/demo/roughness outputs/demo/metallic
	@echo "Everything on one page:"; ls -1 outputs/demo/report.html
	@echo "Clip and pictures: $(CREDIT)"

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist outputs .pytest_cache .ruff_cache .hypothesis
