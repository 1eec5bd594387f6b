# make run    builds sts-bridge and runs it beside Postfix with its defaults
# make test   installs what the tests need, and passes them all

BUILD_PACKAGES = libunbound-dev libcurl4-openssl-dev libssl-dev libidn2-dev libsqlite3-dev ca-certificates dns-root-data
TEST_PACKAGES = $(BUILD_PACKAGES) postfix knot nginx-light unbound openssl iproute2 util-linux python3 prometheus

TESTS = Tests/in-namespace swift test --skip-build
BINARY = .build/release/sts-bridge

.PHONY: run build test

run: build
	mkdir -p .run
	test -e .run/config.yaml || printf '# All keys are optional; see README.md.\ncache:\n  path: %s/.run/policies.sqlite\n' "$(CURDIR)" > .run/config.yaml
	exec $(BINARY) serve --config .run/config.yaml

build:
	.ci/install-packages $(BUILD_PACKAGES)
	swift build --configuration release --product sts-bridge

test:
	.ci/install-packages $(TEST_PACKAGES)
	swift format lint --strict --recursive Package.swift Sources Tests Benchmarks
	.ci/check-imports
	.ci/build-without-warnings swift build --build-tests
# The first two measure time-outs, retries and this process's descriptors, which beside other tests they would not; of the
# others some wait on their threads for servers of their own, so those have a process each, too.
	.ci/test-without-skips $(TESTS) --filter '^UnboundDNSTests'
	.ci/test-without-skips $(TESTS) --filter '^CurlHTTPSTests'
	.ci/test-without-skips $(TESTS) --filter '^AdminTests'
	.ci/test-without-skips $(TESTS) --filter '^DoctorTests'
	.ci/test-without-skips $(TESTS) --filter '^STSBridgeTests'
	.ci/test-without-skips $(TESTS) --skip '^(UnboundDNS|CurlHTTPS|Admin|Doctor|STSBridge|EndToEnd)Tests'
	.ci/test-without-skips $(TESTS) --filter '^EndToEndTests'
