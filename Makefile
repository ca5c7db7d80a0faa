# Every developer command. `make help` prints them. The build itself is extension.mk (PGXS).

# The first target is what plain `make` does.
default: all

# Settings one may give: PG_CONFIG=/path/to/pg_config, DEBUG=1, V=1 (show commands), FUZZ_SECONDS=3600 (fuzz),
# SECONDS=3600 and SEED=7 (model).
FUZZ_SECONDS ?= 600
SECONDS ?= 600
CLANG_FORMAT ?= clang-format

help:
	@echo 'specql: rules in YAML, compiled into tables that react'
	@echo
	@echo '  make deps          install the Debian packages that are missing (asks sudo if not root)'
	@echo '  make               build specql.so and the install script'
	@echo '  make install       into the PostgreSQL that PG_CONFIG names (as root for a system one)'
	@echo '  make demo          build, start a private server, play the inventory story; leaves it running'
	@echo '  make check         every test, in a private server; ends with "N passed, N failed"'
	@echo '  make installcheck  the regression tests alone, against the server that PGHOST, PGPORT name'
	@echo '  make bench         speed against bare tables and hand-written SQL (QUICK=1 for a short look)'
	@echo '  make matrix        make check on PostgreSQL 14 to 18 of Debian and Ubuntu, as root, in file systems of their own'
	@echo '  make fuzz          the fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo '  make model         random specs and statements, compared with a model of the language, for SECONDS=$(SECONDS)'
	@echo '                     (SEED=7 replays the cases of a seed)'
	@echo '  make format        clang-format over src and test'
	@echo '  make clean         remove what was built; stop and remove the private servers'
	@echo
	@echo '  settings: PG_CONFIG=/path/to/pg_config  DEBUG=1  V=1'

deps:
	@scripts/deps

all install uninstall:
	@$(MAKE) --no-print-directory -f extension.mk $@

installcheck:
	@scripts/regress sql

demo:
	@scripts/demo

check:
	@scripts/deps
	@test/run

bench:
	@scripts/deps --bench
	@bench/run $(if $(QUICK),--quick)

matrix:
	@scripts/deps --matrix
	@scripts/matrix

fuzz:
	@test/fuzz/run $(FUZZ_SECONDS)

model:
	@scripts/deps
	@test/model/run --server --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

format:
	@$(CLANG_FORMAT) -i $$(find src test -name '*.cpp' -o -name '*.hpp')

clean:
	@scripts/server remove
	@rm -rf build specql.so libspecql.a specql--*.sql results regression.diffs regression.out

.PHONY: default help deps all install uninstall installcheck demo check bench matrix fuzz model format clean
