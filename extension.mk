# The extension, built by PGXS. The Makefile beside this one has the commands that people type and calls this one for
# all, install and uninstall; PGXS claims names such as `check` for itself.
#
#   make -f extension.mk PG_CONFIG=/path/to/pg_config all

PG_CONFIG ?= $(shell scripts/pg-config)
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error No PostgreSQL server headers found (PG_CONFIG=$(PG_CONFIG)). Type "make deps" to install what is missing)
endif

EXTENSION = specql
MODULE_big = specql

# The version stands in specql.control. META.json repeats it because PGXN reads it there; they must agree.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" specql.control)
META_VERSIONS := $(sort $(shell sed -n '/"meta-spec"/,$$d; s/^ *"version": "\(.*\)".*/\1/p' META.json))
ifneq ($(META_VERSIONS),$(EXTVERSION))
$(error specql.control says version "$(EXTVERSION)", META.json says "$(META_VERSIONS)")
endif

# Objects of one server version never meet those of another; the core knows no server, and is built once.
BUILD := build/pg$(shell $(PG_CONFIG) --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
CORE_SOURCES := $(sort $(wildcard src/core/*.cpp src/core/*/*.cpp src/testgen/*.cpp))
PG_SOURCES := $(sort $(wildcard src/*.cpp src/pg/*.cpp src/pg/*/*.cpp))
CORE_OBJS := $(CORE_SOURCES:src/%.cpp=build/%.o)
PG_OBJS := $(PG_SOURCES:src/%.cpp=$(BUILD)/%.o)
OBJS = $(PG_OBJS) $(CORE_OBJS)

SCHEMA_PARTS := $(sort $(wildcard src/schema/*.sql))
# What an upgrade from a version does stands in src/schema/upgrades/VERSION.sql; the rest of its script is the install script's.
FORMER_VERSIONS := $(notdir $(basename $(wildcard src/schema/upgrades/*.sql)))
UPGRADES := $(FORMER_VERSIONS:%=specql--%--$(EXTVERSION).sql)
DATA_built = specql--$(EXTVERSION).sql $(UPGRADES)
DOCS = README.md

# installcheck is scripts/regress.
NO_INSTALLCHECK = 1

SHLIB_LINK = -lyaml-cpp -lcurl -lz -lstdc++
override with_llvm = no
V ?= 0
ifeq ($(V),0)
.SILENT:
endif

include $(PGXS)

# The tests look at what waits; a worker would send it.
installcheck: export PGOPTIONS += -c specql.worker=off

# src/core is compiled without any PostgreSQL include path, so that it cannot come to depend on the server.
SPECQL_CXXFLAGS = -std=c++17 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -Wall -Wextra $(WERROR)
SPECQL_CXXFLAGS += -DSPECQL_VERSION='"$(EXTVERSION)"' -MMD -MP
ifdef DEBUG
SPECQL_CXXFLAGS += -O0 -DSPECQL_DEBUG
endif

$(CORE_OBJS): build/%.o: src/%.cpp
	mkdir -p $(@D)
	echo "  CXX  $<"
	$(CXX) $(CXXFLAGS) $(SPECQL_CXXFLAGS) -Isrc/core -Isrc -c -o $@ $<

# The server's headers are C; what a C++ compiler finds unusual in them is not ours to mend. Their macros, as those of
# nodeFuncs.h that cast function types, count as ours.
$(PG_OBJS): $(BUILD)/%.o: src/%.cpp
	mkdir -p $(@D)
	echo "  CXX  $<"
	$(CXX) $(CXXFLAGS) $(SPECQL_CXXFLAGS) -Wno-cast-function-type -Isrc/core -Isrc $(CPPFLAGS:-I%=-isystem%) -c -o $@ $<

$(OBJS): extension.mk specql.control

HELP_SOURCES := $(shell scripts/help --files)

specql--$(EXTVERSION).sql: $(SCHEMA_PARTS) $(HELP_SOURCES) $(CORE_SOURCES) specql.control extension.mk
	echo "  SQL  $@"
	{ printf '%s\n' '-- Generated from src/schema/*.sql.' \
	      '\echo Use "CREATE EXTENSION specql" to load this file. \quit'; \
	  cat $(SCHEMA_PARTS) && scripts/help; } > $@.tmp
	mv $@.tmp $@

$(UPGRADES): specql--%--$(EXTVERSION).sql: src/schema/upgrades/%.sql specql--$(EXTVERSION).sql scripts/upgrade
	echo "  SQL  $@"
	scripts/upgrade $* > $@.tmp
	mv $@.tmp $@

all:
	echo "specql $(EXTVERSION) for $(shell $(PG_CONFIG) --version | cut -d' ' -f1-2) is built"

-include $(OBJS:.o=.d)
