// swift-tools-version: 6.2
import PackageDescription

/// Each room of the daemon is a target; README.md ("The rooms") says what each one knows.
/// Imports run one way: STSBridge → LookupServer → PolicyService → Discovery → MTASTS, DANE.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "sts-bridge",
    products: [.executable(name: "sts-bridge", targets: ["STSBridge"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // Without the trait that would bring swift-configuration.
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: ["FullFoundation"]),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // What a record and a policy are.
        .target(name: "MTASTS", swiftSettings: strict),

        // What TLSA records mean for an MX set.
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .target(name: "DANE", dependencies: ["COpenSSL"], swiftSettings: strict),

        // How a domain's policy and its DANE are found, and the seams to DNS and HTTPS.
        .target(name: "Discovery", dependencies: ["DANE", "MTASTS"], swiftSettings: strict),

        // Questions to the DNS servers: sockets, retransmission, fail-over.
        .systemLibrary(name: "CLinux"),
        .target(
            name: "DNSClient",
            dependencies: [
                "CLinux", "Discovery",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict),

        // The outer walls: one C library each.
        .systemLibrary(name: "CUnbound", providers: [.apt(["libunbound-dev"])]),
        .target(
            name: "UnboundDNS", dependencies: ["CUnbound", "DNSClient", "Discovery", "MTASTS"], swiftSettings: strict),
        .systemLibrary(name: "CCurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(
            name: "CurlHTTPS",
            dependencies: [
                "CCurl", "COpenSSL", "Discovery", .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .systemLibrary(name: "CIDN2", providers: [.apt(["libidn2-dev"])]),
        .target(name: "IDNA", dependencies: ["CIDN2"], swiftSettings: strict),

        // What we know of each domain, and what follows from it.
        .target(
            name: "PolicyService",
            dependencies: [
                "DANE", "Discovery", "MTASTS",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),

        // What outlives the process.
        .target(
            name: "SQLiteArchive",
            dependencies: ["Discovery", "MTASTS", "PolicyService", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict),

        // Policies as JSON lines.
        .target(name: "PolicyTransfer", dependencies: ["Discovery", "MTASTS", "PolicyService"], swiftSettings: strict),

        // What Postfix says and hears.
        .target(
            name: "PostfixTable",
            dependencies: ["IDNA", "MTASTS", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: strict),
        // What the Postfix on this host says of itself.
        .target(
            name: "PostfixSettings", dependencies: ["CLinux", "MTASTS", "PostfixTable"], swiftSettings: strict),
        // Who may connect to a unix socket, and whether it still stands.
        .target(name: "UnixSockets", swiftSettings: strict),
        .target(
            name: "LookupServer",
            dependencies: [
                "Discovery", "MTASTS", "PolicyService", "PostfixTable", "ServiceManager", "UnixSockets",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),

        // What the operator sees and steers: the API on a unix socket, its server and its client.
        .target(
            name: "Admin",
            dependencies: [
                "DANE", "Discovery", "MTASTS", "PolicyService", "UnixSockets",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        // What machines watch: /metrics, /healthz, /readyz.
        .target(
            name: "Monitoring",
            dependencies: [
                "DANE", "Discovery",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        // What is said to and heard from the service manager: readiness, the watchdog, passed sockets.
        .target(name: "ServiceManager", swiftSettings: strict),
        // What can be wrong with this host.
        .target(
            name: "Doctor", dependencies: ["Discovery", "MTASTS", "PostfixSettings", "PostfixTable"],
            swiftSettings: strict),

        // The command: configuration and wiring.
        .executableTarget(
            name: "STSBridge",
            dependencies: [
                "Admin", "CurlHTTPS", "DNSClient", "Discovery", "Doctor", "LookupServer", "MTASTS", "Monitoring",
                "PolicyService", "PolicyTransfer", "PostfixSettings", "PostfixTable", "SQLiteArchive", "ServiceManager",
                "UnboundDNS",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),

        // Figures, not tests.
        .executableTarget(
            name: "RefreshSchedule", dependencies: ["Discovery", "MTASTS", "PolicyService"],
            path: "Benchmarks/RefreshSchedule", swiftSettings: strict),
        .executableTarget(
            name: "DNSStorm", dependencies: ["Discovery", "TestSupport"], path: "Benchmarks/DNSStorm",
            swiftSettings: strict),
        .executableTarget(
            name: "SilentHosts", dependencies: ["CurlHTTPS", "Discovery", "TestSupport"],
            path: "Benchmarks/SilentHosts",
            exclude: ["server.py"], swiftSettings: strict),

        // The twins of the seams, and samples.
        .target(
            name: "TestSupport",
            dependencies: [
                "DNSClient", "Discovery", "MTASTS", "PolicyService", "UnboundDNS",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/TestSupport",
            swiftSettings: strict),
        .testTarget(name: "MTASTSTests", dependencies: ["MTASTS", "TestSupport"], swiftSettings: strict),
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
                "CCurl", "COpenSSL", "CurlHTTPS", "Discovery", "MTASTS", "PolicyService", "TestSupport",
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PolicyServiceTests",
            dependencies: [
                "DANE", "Discovery", "MTASTS", "PolicyService", "TestSupport",
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "PolicyTransferTests", dependencies: ["MTASTS", "PolicyService", "PolicyTransfer", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "SQLiteArchiveTests",
            dependencies: [
                "MTASTS", "PolicyService", "SQLiteArchive", "TestSupport",
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
            name: "PostfixSettingsTests", dependencies: ["PostfixSettings", "PostfixTable"], swiftSettings: strict),
        .testTarget(
            name: "LookupServerTests",
            dependencies: [
                "Discovery", "LookupServer", "MTASTS", "PolicyService", "PostfixTable", "ServiceManager",
                "TestSupport",
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "UnixSocketsTests", dependencies: ["TestSupport", "UnixSockets"], swiftSettings: strict),
        .testTarget(
            name: "AdminTests",
            dependencies: [
                "Admin", "Discovery", "MTASTS", "PolicyService", "TestSupport",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "MonitoringTests",
            dependencies: [
                "DANE", "Discovery", "MTASTS", "Monitoring", "TestSupport",
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .testTarget(name: "ServiceManagerTests", dependencies: ["ServiceManager"], swiftSettings: strict),
        .testTarget(
            name: "DoctorTests",
            dependencies: ["Discovery", "Doctor", "MTASTS", "PostfixSettings", "PostfixTable", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "STSBridgeTests",
            dependencies: [
                "Admin", "DANE", "Discovery", "LookupServer", "PolicyService", "PostfixSettings", "STSBridge",
                "ServiceManager", "TestSupport", "UnboundDNS",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
            ],
            swiftSettings: strict),
        .testTarget(name: "EndToEndTests", dependencies: ["STSBridge", "TestSupport"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
