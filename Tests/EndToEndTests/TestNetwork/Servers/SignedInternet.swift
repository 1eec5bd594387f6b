import Foundation
import Testing

/// An Internet with DNSSEC beside the plain one of the test network: a signed root, `signed.` below it, the plain `example.`
/// and `bogus.` with wrong signatures. It has a Postfix with DANE and a validating resolver, and a bridge of its own. Mail
/// hosts and policy hosts are those of the test network.
actor SignedInternet {
    static let address = "127.0.0.63"
    static let bridgePort: UInt16 = 8471

    @TaskLocal private static var current: SignedInternet?

    nonisolated let network: TestNetwork
    nonisolated let dns: KnotServer
    nonisolated let sender: PostfixSender
    nonisolated let bridge: BridgeProcess
    private let resolver: UnboundServer
    private let publicKey: String
    private var domains: [String: TestDomain] = [:]

    static var running: SignedInternet {
        get throws {
            guard let current else {
                throw TestNetworkError("this test runs outside of a suite with .onSignedInternet")
            }
            return current
        }
    }

    static func during(_ body: @Sendable () async throws -> Void) async throws {
        let internet = try await SignedInternet(beside: TestNetwork.running)
        do {
            try await internet.start()
            try await $current.withValue(internet) { try await body() }
        } catch {
            try? await internet.end()
            throw error
        }
        try await internet.end()
    }

    private init(beside network: TestNetwork) async throws {
        self.network = network
        let directory = network.directory + "/signed"
        let failing = MXHost.onSignedInternet.filter { $0.tlsa == .failing }
        dns = try await KnotServer(
            in: directory + "/dns", at: [Self.address],
            zones: [".", "signed.", "bogus.", "org.", "dnssec-failed.org."].map { KnotZone(name: $0, state: .signed) }
                + [KnotZone(name: "example.")] + failing.map { KnotZone(name: "_tcp.\($0.name).", state: .missing) })
        let anchors = directory + "/root.ds"
        try (dns.delegationSigners[".", default: []].joined(separator: "\n") + "\n")
            .write(toFile: anchors, atomically: false, encoding: .utf8)
        resolver = try UnboundServer(in: directory + "/resolver", asking: Self.address, trustAnchorFile: anchors)
        sender = try await PostfixSender(
            in: directory + "/sender", authority: network.authority, port: Self.bridgePort,
            dnssec: UnboundServer.address)
        publicKey = try await network.authority.publicKeyDigest()
        let surroundings = BridgeEnvironment(servers: [Self.address], trustAnchorFile: anchors, minimumTTL: "1s")
        bridge = try BridgeProcess(
            in: directory + "/bridge",
            configuration: "listen:\n  socketmap: [127.0.0.1:\(Self.bridgePort)]\n  tcp-table: []\n"
                + surroundings.configuration(trusting: network.authority, in: directory + "/bridge"),
            ready: Self.bridgePort,
            // The Postfix settings of the sender decide on DANE.
            environment: ["MAIL_CONFIG": sender.instance.configuration])
    }

    private func start() async throws {
        try await dns.start(serving: zones)
        try await resolver.start()
        try await sender.instance.start()
        try await bridge.start()
    }

    private func end() async throws {
        let status = try await bridge.stop()
        try await sender.instance.stop()
        try await resolver.stop()
        try await dns.stop()
        guard status == 0 else {
            throw TestNetworkError("sts-bridge ended with \(String(describing: status)) on SIGTERM")
        }
    }

    /// Adds or changes domains. Those below `signed.` and `bogus.` have signatures.
    nonisolated func publish(_ domains: TestDomain...) async throws {
        try await publish(domains)
    }

    func publish(_ changed: [TestDomain]) async throws {
        for domain in changed { domains[domain.name] = domain }
        try await dns.serve(zones)
        try await network.publish(changed)
    }

    /// The trust anchors of the root, for other bridges.
    nonisolated var trustAnchorFile: String { network.directory + "/signed/root.ds" }

    /// The reply to a lookup.
    nonisolated func reply(to key: String) async throws -> String {
        try await SocketmapClient.ask(key, port: Self.bridgePort)
    }

    private var zones: [String: [String]] {
        func lines(below parent: String) -> [String] { TestDomain.zoneLines(of: domains.values, below: parent) }
        func delegation(_ zone: String) -> [String] { ["\(zone) NS ns.\(zone)", "ns.\(zone) A \(Self.address)"] }
        let unfit = "DS 4711 13 2 " + String(repeating: "ab", count: 32)
        return [
            ".": ["signed.", "bogus.", "org.", "example."].flatMap(delegation)
                + (dns.delegationSigners["signed."] ?? []) + (dns.delegationSigners["org."] ?? [])
                + ["bogus. \(unfit)"],
            "signed.": MXHost.onSignedInternet.flatMap { $0.zoneLines(key: publicKey) } + lines(below: "signed"),
            "bogus.": lines(below: "bogus"),
            "example.": MXHost.all.flatMap { $0.zoneLines() } + lines(below: "example"),
            // The bridge tests DNSSEC with these names.
            "org.": delegation("dnssec-failed.org.") + ["dnssec-failed.org. \(unfit)"],
            "dnssec-failed.org.": ["dnssec-failed.org. A 127.0.0.1"],
        ]
    }
}

/// Starts the signed Internet for a suite, and stops it at the end.
struct RunsOnSignedInternet: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await SignedInternet.during(function)
    }
}

extension Trait where Self == RunsOnSignedInternet {
    static var onSignedInternet: Self { Self() }
}
