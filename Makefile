# make run    builds sts-bridge and runs it beside Postfix with its defaults
# make test   installs what the tests need, and passes them all

BUILD_PACKAGES = libunbound-dev libcurl4-openssl-dev libssl-dev libidn2-dev libsqlite3-dev ca-certificates dns-root-data
TEST_PACKAGES = $(BUILD_PACKAGES) postfix knot nginx-light openssl iproute2 util-linux python3

TESTS = Tests/in-namespace swift test --skip-build
BINARY = .build/release/sts-bridge

.PHONY: run build test

run: build
	mkdir -p .run
	test -e .run/config.yaml || printf '# All keys are optional; see README.md.\ncache:\n  path: %s/.run/policies.sqlite\nadmin:\n  socket: %s/.run/admin.sock\n' "$(CURDIR)" "$(CURDIR)" > .run/config.yaml
	exec $(BINARY) serve --config .run/config.yaml

build:
	.ci/install-packages $(BUILD_PACKAGES)
	swift build --configuration release --product sts-bridge

test:
	.ci/install-packages $(TEST_PACKAGES)
	swift format lint --strict --recursive Package.swift Sources Tests Benchmarks
	.ci/check-imports
	.ci/build-without-warnings swift build --build-tests
# Those two measure time-outs, retries and this process's descriptors: beside other tests they would measure those too.
	.ci/test-without-skips $(TESTS) --filter UnboundDNSTests
	.ci/test-without-skips $(TESTS) --filter CurlHTTPSTests
	.ci/test-without-skips $(TESTS) --skip 'EndToEndTests|UnboundDNSTests|CurlHTTPSTests'
	.ci/test-without-skips $(TESTS) --filter EndToEndTests
