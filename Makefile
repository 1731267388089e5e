# The front door: installs what is missing and calls CMake. `make help` says what there is.

PREFIX ?= /usr/local
BUILD ?= build

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-compare bench-peers release install clean gate coverage setup

help:
	@echo 'make demo           the whole path on real data: plan, create, import, ask, verify'
	@echo 'make test           build with all checks on, and run every test'
	@echo 'make bench          measure the workloads and an import, in about a minute'
	@echo 'make bench-compare  the workloads at full size, beside RocksDB and SQLite: OBJECTS=10000000'
	@echo 'make bench-peers    install the engines that bench-compare runs beside Tactus'
	@echo 'make release        build the library and the command, in $(BUILD)/release'
	@echo 'make install        install them under PREFIX, $(PREFIX)'
	@echo 'make gate           everything a change must pass: tools/gate.sh'
	@echo 'make coverage       which lines the tests run, in $(BUILD)/coverage/index.html'
	@echo 'make setup          install the Debian packages that are missing, if any are'
	@echo 'make clean          remove $(BUILD)/'

setup:
	@tools/setup.sh

# Configured once; from then on the build itself sees when that must be done again.
$(BUILD)/release/build.ninja: | setup
	@cmake -S . -B $(BUILD)/release -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
		-DBUILD_TESTING=OFF -DCMAKE_INSTALL_PREFIX=$(PREFIX)

$(BUILD)/test/build.ninja: | setup
	@cmake -S . -B $(BUILD)/test -G Ninja -DTACTUS_VERIFY=ON

release: setup $(BUILD)/release/build.ninja
	@cmake --build $(BUILD)/release

demo: release
	@TACTUS=$(abspath $(BUILD)/release/cli/tactus) bash examples/shop/demo.sh

test: setup $(BUILD)/test/build.ninja
	@cmake --build $(BUILD)/test
	@ctest --test-dir $(BUILD)/test --output-on-failure -j2

bench: release
	@TACTUS=$(abspath $(BUILD)/release/cli/tactus) bash tools/bench.sh

$(BUILD)/bench/build.ninja: | setup bench-peers
	@cmake -S . -B $(BUILD)/bench -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
		-DBUILD_TESTING=OFF -DTACTUS_BENCH=ON

bench-compare: bench-peers $(BUILD)/bench/build.ninja
	@cmake --build $(BUILD)/bench
	@TACTUS_BENCH=$(abspath $(BUILD)/bench/bench/peers/tactus-bench) bash tools/bench.sh --compare

bench-peers:
	@tools/setup.sh --peers

install: release
	@cmake -S . -B $(BUILD)/release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@cmake --install $(BUILD)/release
	@test -n "$(DESTDIR)" || test "$$(id -u)" != 0 || ldconfig

gate:
	@tools/setup.sh --gate
	@tools/gate.sh

coverage:
	@tools/setup.sh --gate
	@cmake --preset coverage >/dev/null
	@cmake --build --preset coverage
	@ctest --preset coverage -j2
	@gcovr --root . --object-directory build/coverage --filter src/ --exclude-throw-branches \
		--html-details build/coverage/index.html --txt --print-summary

clean:
	@rm -rf $(BUILD)
