# make run    builds sts-bridge and runs it beside Postfix with its defaults
# make test   installs what the tests need, and passes them all

BUILD_PACKAGES = libunbound-dev libcurl4-openssl-dev libssl-dev libidn2-dev libsqlite3-dev ca-certificates dns-root-data
TEST_PACKAGES = $(BUILD_PACKAGES) postfix knot nginx-light openssl iproute2 util-linux python3

# They measure time-outs and retries, which a processor busy with other tests would turn into failures.
NETWORK_TESTS = UnboundDNSTests|CurlHTTPSTests

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
	.ci/test-without-skips Tests/in-namespace swift test --skip-build --filter '$(NETWORK_TESTS)'
	.ci/test-without-skips Tests/in-namespace swift test --skip-build --skip 'EndToEndTests|$(NETWORK_TESTS)'
	.ci/test-without-skips Tests/in-namespace swift test --skip-build --filter EndToEndTests
