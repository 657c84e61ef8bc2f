# make         lint, types and tests, with what is on this machine
# make serve   install into .venv and run the server: make serve ARGS="--port 7000"
# make test    the same as make, after installing all that the tests need

VENV := .venv
BIN := $(VENV)/bin
REDIS_PY := $(foreach major,5 6 7 8,.venv-redis/$(major)/.installed)
# redis-py's own tests, of one version, so that an old checkout knows which of them pass.
REDIS_PY_SUITE := .venv-redis/suite/.installed
# A job framework a line; its name is all up to what says the version.
FRAMEWORK_LINES := tests/compat/frameworks/requirements.txt
FRAMEWORKS := $(patsubst %,.venv-frameworks/%/.installed,$(shell sed -nE 's/^([a-z]+).*/\1/p' $(FRAMEWORK_LINES)))
# The first of these that is new enough; PYTHON=... on the command line overrides it.
PYTHON ?= $(firstword $(foreach each,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(each) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(each))))
# Options for `respq serve`, pytest, or the program of a target.
ARGS ?=

.PHONY: all serve test install dev programs lint types unit pages bench bench-full rivals soak storm \
	losses simulate fuzz clean

all: lint types unit

serve: install
	@exec $(BIN)/respq serve $(ARGS)

test: programs dev $(REDIS_PY) $(REDIS_PY_SUITE) $(FRAMEWORKS)
	$(MAKE) lint types unit

install: $(VENV)/.installed
dev: $(VENV)/.dev

lint: dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: dev
	$(BIN)/mypy

unit: dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

# Refreshes the generated parts of commands/; the tests fail on a stale page.
pages: dev
	$(BIN)/python -m tests.pages --write $(ARGS)

# A comparison with other servers; minutes, and a quiet machine.
bench: dev rivals
	$(BIN)/python bench/run.py $(ARGS)

# The same for longer, and the charts; about an hour and a half.
bench-full: dev rivals
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python bench/run.py --full --rounds 9 --seconds 2 $(ARGS)
	$(BIN)/python bench/charts.py --rounds 5 --deep

rivals:
	tests/install_programs.sh redis-server redis-tools beanstalkd rabbitmq-server
	bench/install_rivals.sh
	bench/install_frameworks.sh

# Half an hour at 70 % of what the machine can, with everything that goes wrong.
soak: dev
	$(BIN)/python bench/soak.py $(ARGS)

# 200 kills instead of the twenty of the tests, and `respq check` over what the clients recorded.
storm: dev
	$(BIN)/python -m tests.crash.storm $(ARGS)

# The README's table of what is lost when, measured.
losses: dev
	$(BIN)/python -m tests.crash.losses $(ARGS)

# Hours of traffic and faults in seconds each, seed after seed until a law is broken.
simulate: dev
	$(BIN)/python -m tests.simulation.run $(ARGS)

# Mutated bytes into the parser for as long as ARGS says.
fuzz: dev
	$(BIN)/python -m tests.fuzz $(ARGS)

clean:
	rm -rf $(VENV) .venv-redis .venv-frameworks build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Debian's Python without python3-venv has no pip to put into a venv; its own pip can.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "respq needs Python 3.11 or newer, and there is none"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[lua]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.installed

programs:
	@tests/install_programs.sh redis-server redis-tools strace openssl

# Each in a directory of its own, which a test puts on PYTHONPATH.
.venv-redis/%/.installed: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade --target $(@D) 'redis==$*.*'
	@touch $@

# The source, which is where the tests are, and what they need beside it.
$(REDIS_PY_SUITE): | $(BIN)/python
	rm -rf $(@D)
	$(BIN)/python -m pip download --quiet --no-deps --no-binary redis --dest $(@D) 'redis==8.1.*'
	tar --extract --gzip --strip-components 1 --directory $(@D) --file $(@D)/redis-*.tar.gz
	$(BIN)/python -m pip install --quiet --target $(@D)/packages pytest pytest-asyncio pytest-timeout
	@touch $@

.venv-frameworks/%/.installed: $(FRAMEWORK_LINES) | $(BIN)/python
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --target $(@D) "$$(grep -E '^$*[^a-z]' $<)" 'redis<9'
	@touch $@
