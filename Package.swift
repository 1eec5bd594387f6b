// swift-tools-version: 6.2
import PackageDescription

/// Each module is a target, in one of six folders of Sources. A module imports modules of its own folder and of folders
/// before it: Standards, Discovery, Policies, Serving, Host, Program. ARCHITECTURE.md has the table of imports, which
/// .ci/check-structure checks.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]
/// The program exports no symbols, and its addresses are relocated from a compact table (glibc 2.36 and later). Both spare the
/// dynamic linker work at each start, and 8 MB of memory. Only lld has the options.
let smallBinary: [LinkerSetting] = [
    .unsafeFlags(
        [
            "-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs",
            "-Xlinker", "--icf=safe",
        ], .when(configuration: .release))
]

let package = Package(
    name: "sts-bridge",
    products: [.executable(name: "sts-bridge", targets: ["sts-bridge"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        // Without the trait that adds swift-configuration.
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: ["FullFoundation"]),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // Text as every other module reads and writes it: escaping, octet classes, times.
        .target(name: "TextFormats", path: "Sources/Standards/TextFormats", swiftSettings: strict),

        // The TXT record and the policy of RFC 8461.
        .target(name: "MTASTS", dependencies: ["TextFormats"], path: "Sources/Standards/MTASTS", swiftSettings: strict),

        // The meaning of TLSA records for an MX set.
        .systemLibrary(name: "COpenSSL", path: "Sources/Standards/COpenSSL", providers: [.apt(["libssl-dev"])]),
        .target(name: "DANE", dependencies: ["COpenSSL"], path: "Sources/Standards/DANE", swiftSettings: strict),

        // The discovery of a domain's policy and DANE, and the interfaces to DNS and HTTPS.
        .target(
            name: "Discovery", dependencies: ["DANE", "MTASTS", "TextFormats"], path: "Sources/Discovery/Discovery",
            swiftSettings: strict),

        // Users, groups, small files, unix socket addresses and threads of this host.
        .target(name: "LocalSystem", path: "Sources/Discovery/LocalSystem", swiftSettings: strict),

        // Queries to the DNS servers: sockets, retransmission, fail-over.
        .systemLibrary(name: "CLinux", path: "Sources/Discovery/CLinux"),
        .target(
            name: "DNSClient",
            dependencies: [
                "LocalSystem", "CLinux", "Discovery", "TextFormats",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            path: "Sources/Discovery/DNSClient", swiftSettings: strict),

        // Wrappers of one C library each.
        .systemLibrary(name: "CUnbound", path: "Sources/Discovery/CUnbound", providers: [.apt(["libunbound-dev"])]),
        .target(
            name: "UnboundDNS", dependencies: ["LocalSystem", "CUnbound", "DNSClient", "Discovery", "TextFormats"],
            path: "Sources/Discovery/UnboundDNS", swiftSettings: strict),
        .systemLibrary(name: "CCurl", path: "Sources/Discovery/CCurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        // The easy handle and error messages of libcurl, for HTTPS and for the admin client.
        .target(name: "LibCurl", dependencies: ["CCurl"], path: "Sources/Discovery/LibCurl", swiftSettings: strict),
        .target(
            name: "CurlHTTPS",
            dependencies: [
                "LocalSystem", "CCurl", "COpenSSL", "Discovery", "LibCurl", "TextFormats",
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            path: "Sources/Discovery/CurlHTTPS", swiftSettings: strict),
        .systemLibrary(name: "CIDN2", path: "Sources/Standards/CIDN2", providers: [.apt(["libidn2-dev"])]),
        .target(name: "IDNA", dependencies: ["CIDN2"], path: "Sources/Standards/IDNA", swiftSettings: strict),

        // The policy and DANE caches, decisions and overrides: values without I/O, locks or tasks.
        .target(
            name: "PolicyCaching", dependencies: ["DANE", "Discovery", "MTASTS", "TextFormats"],
            path: "Sources/Policies/PolicyCaching", swiftSettings: strict),
        // Runs the cache: lookups, discoveries, the store writer, the log's events.
        .target(
            name: "PolicyRuntime",
            dependencies: [
                "DANE", "Discovery", "MTASTS", "PolicyCaching", "TextFormats",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "Sources/Policies/PolicyRuntime", swiftSettings: strict),

        // The cache file.
        .target(
            name: "SQLiteStore",
            dependencies: [
                "LocalSystem", "Discovery", "MTASTS", "PolicyCaching", "PolicyRuntime", "TextFormats",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            path: "Sources/Policies/SQLiteStore", swiftSettings: strict),

        // Policies as JSON lines.
        .target(
            name: "PolicyTransfer",
            dependencies: ["Discovery", "MTASTS", "PolicyCaching", "PolicyRuntime", "TextFormats"],
            path: "Sources/Policies/PolicyTransfer", swiftSettings: strict),

        // The lookup protocols of Postfix, and the attributes of a reply.
        .target(
            name: "PostfixTable",
            dependencies: ["IDNA", "MTASTS", "TextFormats", .product(name: "NIOCore", package: "swift-nio")],
            path: "Sources/Standards/PostfixTable", swiftSettings: strict),
        // The settings of the Postfix on this host.
        .target(
            name: "PostfixConfig", dependencies: ["LocalSystem", "CLinux", "PostfixTable", "TextFormats"],
            path: "Sources/Host/PostfixConfig", swiftSettings: strict),
        // The mode and group of a unix socket, and whether its file still exists.
        .target(
            name: "UnixSockets", dependencies: ["LocalSystem"], path: "Sources/Serving/UnixSockets",
            swiftSettings: strict),
        .target(
            name: "TableServer",
            dependencies: [
                "CLinux", "Discovery", "LocalSystem", "MTASTS", "PolicyCaching", "PolicyRuntime", "PostfixTable",
                "Systemd", "TextFormats",
                "UnixSockets",
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "Sources/Serving/TableServer", swiftSettings: strict),

        // The operator's API: its models, its schema and its client.
        .target(
            name: "AdminAPI", dependencies: ["LocalSystem", "CCurl", "LibCurl", "TextFormats"],
            path: "Sources/Serving/AdminAPI",
            swiftSettings: strict),
        // The server of the operator's API: routes, socket, audit log.
        .target(
            name: "AdminServer",
            dependencies: [
                "LocalSystem", "AdminAPI", "DANE", "Discovery", "MTASTS", "PolicyCaching", "PolicyRuntime",
                "TextFormats",
                "UnixSockets",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "Sources/Serving/AdminServer", swiftSettings: strict),
        // The pages for monitoring: /metrics, /healthz, /readyz.
        .target(
            name: "Monitoring",
            dependencies: [
                "LocalSystem", "DANE", "Discovery",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "Sources/Serving/Monitoring", swiftSettings: strict),
        // The protocols of systemd: readiness, the watchdog, passed sockets.
        .target(
            name: "Systemd", dependencies: ["LocalSystem"], path: "Sources/Serving/Systemd", swiftSettings: strict),
        // The checks of this host.
        .target(
            name: "Doctor",
            dependencies: ["LocalSystem", "Discovery", "MTASTS", "PostfixConfig", "PostfixTable", "TextFormats"],
            path: "Sources/Host/Doctor", swiftSettings: strict),

        // Configuration: values, keys, YAML, environment, the generated reference.
        .target(
            name: "BridgeConfiguration",
            dependencies: [
                "CurlHTTPS", "DNSClient", "Discovery", "LocalSystem", "PolicyCaching", "PostfixConfig", "PostfixTable",
                "TableServer", "TextFormats", "UnboundDNS", "UnixSockets",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Yams", package: "Yams"),
            ],
            path: "Sources/Host/Configuration", swiftSettings: strict),

        // The daemon: builds every module from the configuration and runs it.
        .target(
            name: "BridgeDaemon",
            dependencies: [
                "AdminAPI", "AdminServer", "BridgeConfiguration", "CurlHTTPS", "DNSClient", "Discovery", "LocalSystem",
                "MTASTS", "Monitoring",
                "PolicyCaching", "PolicyRuntime", "PostfixConfig", "PostfixTable", "SQLiteStore", "Systemd",
                "TableServer", "TextFormats", "UnboundDNS",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "Sources/Program/Daemon", swiftSettings: strict),
        // The commands, their output and the manual page.
        .target(
            name: "Commands",
            dependencies: [
                "AdminAPI", "BridgeConfiguration", "BridgeDaemon", "CurlHTTPS", "DNSClient", "Discovery", "Doctor",
                "MTASTS", "PolicyCaching", "PolicyTransfer", "PostfixConfig", "PostfixTable", "Systemd",
                "TableServer", "TextFormats", "UnboundDNS",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/Program/Commands", swiftSettings: strict),
        .executableTarget(
            name: "sts-bridge", dependencies: ["Commands"], path: "Sources/Program/sts-bridge", swiftSettings: strict,
            linkerSettings: smallBinary),

        // Benchmarks.
        .executableTarget(
            name: "RefreshScheduleBenchmark",
            dependencies: ["Discovery", "MTASTS", "PolicyCaching", "TextFormats"],
            path: "Benchmarks/RefreshSchedule", swiftSettings: strict),
        .executableTarget(
            name: "DNSStormBenchmark", dependencies: ["Discovery", "TestSupport"], path: "Benchmarks/DNSStorm",
            swiftSettings: strict),
        .executableTarget(
            name: "SilentHostsBenchmark", dependencies: ["CurlHTTPS", "Discovery", "TestSupport"],
            path: "Benchmarks/SilentHosts",
            exclude: ["server.py"], swiftSettings: strict),
        .executableTarget(
            name: "InstructionBenchmark",
            dependencies: [
                "Discovery", "MTASTS", "PolicyCaching", "PostfixTable", "TextFormats",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            path: "Benchmarks/Instructions", swiftSettings: strict),

        // Fakes of the interfaces, and samples.
        .target(
            name: "TestSupport",
            dependencies: [
                "DNSClient", "Discovery", "MTASTS", "PolicyCaching", "PolicyRuntime", "TextFormats", "UnboundDNS",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/TestSupport",
            swiftSettings: strict),
        .testTarget(name: "TextFormatsTests", dependencies: ["TextFormats"], swiftSettings: strict),
        .testTarget(name: "LocalSystemTests", dependencies: ["LocalSystem"], swiftSettings: strict),
        .testTarget(
            name: "MTASTSTests", dependencies: ["MTASTS", "TestSupport", "TextFormats"], swiftSettings: strict),
        .testTarget(name: "DANETests", dependencies: ["DANE"], swiftSettings: strict),
        .testTarget(
            name: "DiscoveryTests", dependencies: ["DANE", "Discovery", "MTASTS", "TestSupport"],
            swiftSettings: strict),
        .testTarget(name: "IDNATests", dependencies: ["IDNA"], swiftSettings: strict),
        .testTarget(
            name: "DNSTests",
            dependencies: ["DANE", "DNSClient", "Discovery", "MTASTS", "TestSupport", "UnboundDNS"],
            swiftSettings: strict),
        .testTarget(name: "ResolverFaultTests", dependencies: ["TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "CurlHTTPSTests",
            dependencies: [
                "CCurl", "COpenSSL", "CurlHTTPS", "Discovery", "LibCurl", "MTASTS", "PolicyRuntime",
                "TestSupport",
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PolicyCachingTests",
            dependencies: ["DANE", "Discovery", "MTASTS", "PolicyCaching", "TestSupport", "TextFormats"],
            swiftSettings: strict),
        .testTarget(
            name: "PolicyRuntimeTests",
            dependencies: [
                "DANE", "Discovery", "MTASTS", "PolicyCaching", "PolicyRuntime", "TestSupport", "TextFormats",
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PolicyTransferTests",
            dependencies: ["MTASTS", "PolicyCaching", "PolicyRuntime", "PolicyTransfer", "TestSupport", "TextFormats"],
            swiftSettings: strict),
        .testTarget(
            name: "SQLiteStoreTests",
            dependencies: [
                "MTASTS", "PolicyCaching", "PolicyRuntime", "SQLiteStore", "TestSupport", "TextFormats",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PostfixTableTests",
            dependencies: [
                "MTASTS", "PostfixTable", "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOTestUtils", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PostfixConfigTests", dependencies: ["PostfixConfig", "PostfixTable"], swiftSettings: strict),
        .testTarget(
            name: "TableServerTests",
            dependencies: [
                "Discovery", "TableServer", "MTASTS", "PolicyCaching", "PolicyRuntime", "PostfixTable", "Systemd",
                "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "UnixSocketsTests", dependencies: ["LocalSystem", "TestSupport", "UnixSockets"], swiftSettings: strict
        ),
        .testTarget(
            name: "AdminTests",
            dependencies: [
                "AdminAPI", "AdminServer", "Discovery", "MTASTS", "PolicyCaching", "PolicyRuntime", "TestSupport",
                "TextFormats",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "MonitoringTests",
            dependencies: [
                "DANE", "Discovery", "MTASTS", "LocalSystem", "Monitoring", "TestSupport",
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(name: "SystemdTests", dependencies: ["Systemd"], swiftSettings: strict),
        .testTarget(
            name: "DoctorTests",
            dependencies: ["Discovery", "Doctor", "MTASTS", "PostfixConfig", "PostfixTable", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "BridgeConfigurationTests",
            dependencies: ["BridgeConfiguration", "PolicyCaching", "PolicyRuntime", "TableServer"],
            swiftSettings: strict),
        .testTarget(
            name: "BridgeDaemonTests",
            dependencies: [
                "AdminAPI", "BridgeConfiguration", "BridgeDaemon", "DANE", "Discovery", "PolicyCaching",
                "PostfixConfig",
                "Systemd", "TableServer", "TestSupport", "UnboundDNS",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CommandsTests",
            dependencies: [
                "AdminAPI", "BridgeConfiguration", "Commands", "PolicyCaching", "PolicyRuntime", "TestSupport",
                "TextFormats", "sts-bridge",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .testTarget(name: "EndToEndTests", dependencies: ["TestSupport", "sts-bridge"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
