# make run    builds sts-bridge and runs it beside Postfix with its defaults
# make test   installs the packages that the tests need, and runs all tests
# make deb    builds a package for this Debian (12), .build/deb/sts-bridge_VERSION_ARCHITECTURE.deb
# make deb-trixie  builds one for Debian 13 in a directory tree of that release, .build/deb/sts-bridge_VERSION+deb13u1_ARCHITECTURE.deb
# make image-test  builds the images from the Dockerfiles and sends mail through both; needs neither Docker nor a registry
# make sbom   builds sts-bridge and writes its bill of materials, .build/sbom.json
# make bench  measures sts-bridge and other programs as ratios to this machine's limit; see Documentation/performance.md
# make build, then as root: make install [PREFIX=/usr/local] [DESTDIR=]; make uninstall with the same

BUILD_PACKAGES = libunbound-dev libcurl4-openssl-dev libssl-dev libidn2-dev libsqlite3-dev ca-certificates dns-root-data
TEST_PACKAGES = $(BUILD_PACKAGES) postfix knot nginx-light unbound openssl iproute2 util-linux python3 prometheus valgrind \
	mandoc man-db zsh fish debootstrap
# For the tree of Debian 13 that the end-to-end tests send mail from: Postfix, and the libraries that sts-bridge is linked with.
TREE_PACKAGES = postfix ca-certificates dns-root-data libcurl4t64 libidn2-0 libsqlite3-0 libssl3t64 libstdc++6 \
	libunbound8 zlib1g
IMAGE_PACKAGES = podman crun buildah debootstrap knot openssl iproute2 util-linux python3-yaml
BENCH_PACKAGES = $(BUILD_PACKAGES) gcc libc6-dev knot unbound nginx-light openssl iproute2 util-linux python3 python3-venv valgrind
DEB_PACKAGES = debhelper dpkg-dev chrpath lintian

# The rules of .ci/check-structure; empty: all rules.
STRUCTURE_RULES =

TESTS = Tests/in-namespace swift test --skip-build
# The groups of `make bench` (empty: all) and options of Benchmarks/Lookups/bench.
BENCH =
BENCH_OPTIONS =
# The directory in which SwiftPM builds; a package for another Debian has its own.
BUILD = .build
BINARY = $(BUILD)/release/sts-bridge
VERSION = $(shell sed -n 's/.*current = "\(.*\)"/\1/p' Sources/Program/Daemon/Version.swift)
# The end of the version of a package for another Debian, so that it sorts after that for the Debian before.
DEB_SUFFIX =
DEB_VERSION = $(VERSION)$(DEB_SUFFIX)

PREFIX = /usr/local
DESTDIR =
SHARE = $(DESTDIR)$(PREFIX)/share
DOC = $(SHARE)/doc/sts-bridge

PROGRAM = $(DESTDIR)$(PREFIX)/bin/sts-bridge
MAN8 = $(SHARE)/man/man8/sts-bridge.8
MAN5 = $(SHARE)/man/man5/sts-bridge.yaml.5
BASH_COMPLETION = $(SHARE)/bash-completion/completions/sts-bridge
ZSH_COMPLETION = $(SHARE)/zsh/site-functions/_sts-bridge
FISH_COMPLETION = $(SHARE)/fish/vendor_completions.d/sts-bridge.fish
EXAMPLE = $(DOC)/config.yaml
# systemd also reads units below /usr/local/lib.
UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system
SERVICE = $(UNITS)/sts-bridge.service
SOCKET = $(UNITS)/sts-bridge.socket
SYSUSERS = $(DESTDIR)$(PREFIX)/lib/sysusers.d/sts-bridge.conf
TMPFILES = $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/sts-bridge.conf
# Copied as they are. README.md links to the other documents.
DOCUMENTS = README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE \
	$(sort $(shell find Documentation postfix/main.cf-* -type f))
# The files that `install` creates and `uninstall` removes.
INSTALLED = $(PROGRAM) $(MAN8) $(MAN5) $(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION) $(EXAMPLE) \
	$(SERVICE) $(SOCKET) $(SYSUSERS) $(TMPFILES) $(addprefix $(DOC)/,$(DOCUMENTS))

.PHONY: run build packages test sbom bench trees deb deb-trixie image-test install uninstall

run: build
	mkdir -p .run
	test -e .run/config.yaml || printf '# All keys are optional; see Documentation/configuration.md.\ncache:\n  path: %s/.run/policies.sqlite\nadmin:\n  socket: %s/.run/admin.sock\n' "$(CURDIR)" "$(CURDIR)" > .run/config.yaml
	exec $(BINARY) serve --config .run/config.yaml

# With Swift's own libraries inside, so that it runs without a toolchain.
build: packages
	swift build --scratch-path $(BUILD) --configuration release --static-swift-stdlib --product sts-bridge

packages:
	.ci/install-packages $(BUILD_PACKAGES)

test:
	.ci/install-packages $(TEST_PACKAGES)
	swift format lint --strict --recursive Package.swift Sources Tests Benchmarks
	.ci/check-imports
	.ci/check-structure $(STRUCTURE_RULES)
	.ci/build-without-warnings swift build --build-tests
	.ci/check-dependencies
# The first three measure timeouts, retries and the descriptors of their process, so no other tests run beside them. Some of the
# others block threads while they wait for servers, or compute for long; each has a process of its own, too.
	.ci/test-without-skips $(TESTS) --filter '^ResolverFaultTests'
	.ci/test-without-skips $(TESTS) --filter '^DNSTests'
	.ci/test-without-skips $(TESTS) --filter '^CurlHTTPSTests'
	.ci/test-without-skips $(TESTS) --filter '^AdminTests'
	.ci/test-without-skips $(TESTS) --filter '^DoctorTests'
	.ci/test-without-skips $(TESTS) --filter '^MonitoringTests'
	.ci/test-without-skips $(TESTS) --filter '^BridgeDaemonTests'
	.ci/test-without-skips $(TESTS) --filter '^CommandsTests'
	.ci/test-without-skips $(TESTS) --filter '^TableServerTests'
	.ci/test-without-skips $(TESTS) --filter '^PolicyRuntimeTests'
	.ci/test-without-skips $(TESTS) --skip \
		'^(ResolverFault|DNS|CurlHTTPS|Admin|Doctor|Monitoring|BridgeDaemon|Commands|TableServer|PolicyRuntime|EndToEnd)Tests'
	$(MAKE) trees
	.ci/test-without-skips $(TESTS) --filter '^EndToEndTests'

sbom: build
	.ci/sbom $(BUILD)/release $(BUILD)/sbom.json

bench: build
	.ci/install-packages $(BENCH_PACKAGES)
	Benchmarks/Lookups/bench --binary $(BINARY) $(BENCH_OPTIONS) $(BENCH)

trees:
	.ci/debian-tree trixie postfix $(TREE_PACKAGES)

deb: build
	.ci/install-packages $(DEB_PACKAGES)
	printf 'sts-bridge ($(DEB_VERSION)) stable; urgency=medium\n\n  * Version $(VERSION).\n\n -- %s  %s\n' \
		"$$(sed -n 's/^Maintainer: //p' debian/control)" "$$(date -uR -r Sources/Program/Daemon/Version.swift)" > debian/changelog
	mkdir -p .build/deb
# Not `debian/rules clean`, which removes all files in the whole directory whose names end in .orig or ~.
	rm -rf debian/.debhelper debian/sts-bridge debian/files debian/*.substvars debian/*.debhelper debian/debhelper-build-stamp
	debian/rules binary BINARY=$(BINARY)
	lintian --fail-on error --info .build/deb/sts-bridge_$(DEB_VERSION)_*.deb

deb-trixie:
	.ci/make-in-tree trixie deb BUILD=.build/trixie DEB_SUFFIX=+deb13u1

image-test:
	.ci/install-packages $(IMAGE_PACKAGES)
	.ci/build-images
	Tests/in-namespace .ci/try-images

# The binary writes its own manual pages, completions and example. Symbols stay: a crash report needs them for names of functions.
install:
	@test -x $(BINARY) || { echo "$(BINARY) is not there: make build first" >&2; exit 1; }
	install -d $(sort $(dir $(INSTALLED)))
	install -m 755 $(BINARY) $(PROGRAM)
	$(BINARY) documentation man8 > $(MAN8)
	$(BINARY) documentation yaml5 > $(MAN5)
	$(BINARY) documentation example > $(EXAMPLE)
	$(BINARY) --generate-completion-script bash | sed 1d > $(BASH_COMPLETION)
	$(BINARY) --generate-completion-script zsh > $(ZSH_COMPLETION)
	$(BINARY) --generate-completion-script fish > $(FISH_COMPLETION)
	sed 's|/usr/bin/|$(PREFIX)/bin/|' systemd/sts-bridge.service > $(SERVICE)
	install systemd/sts-bridge.socket $(SOCKET)
	install systemd/sts-bridge.sysusers $(SYSUSERS)
	install systemd/sts-bridge.tmpfiles $(TMPFILES)
	for document in $(DOCUMENTS); do install -m 644 $$document $(DOC)/$$document || exit 1; done
	chmod 644 $(filter-out $(PROGRAM),$(INSTALLED))

# Directories that other packages may use stay.
uninstall:
	rm -f $(INSTALLED)
	if test -d $(DOC); then find $(DOC) -depth -type d -empty -delete; fi
