import Foundation
import Testing

/// A network for end-to-end tests: real DNS, web server, mail hosts and sender, and the bridge between them.
///
/// Its files are in one temporary directory. Its processes run in the network namespace that `Tests/in-namespace` makes and
/// end by process id. What the bridge should do is for the tests to say.
actor TestNetwork {
    /// The root directory of the package.
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    @TaskLocal private static var current: TestNetwork?

    nonisolated let directory: String
    nonisolated let authority: CertificateAuthority
    nonisolated let dns: KnotServer
    nonisolated let web: NginxServer
    nonisolated let mx: PostfixMX
    nonisolated let sender: PostfixSender
    /// The bridge for the sender.
    nonisolated let bridge: BridgeProcess
    private let silentAddresses: SilentAddresses
    private var domains: [String: TestDomain] = [:]

    /// The network of the running test.
    static var running: TestNetwork {
        get throws {
            guard let current else { throw TestNetworkError("this test is not in a suite with .inTestNetwork") }
            return current
        }
    }

    static func during(_ body: @Sendable () async throws -> Void) async throws {
        try requireNamespace()
        let network = try await TestNetwork()
        do {
            try await network.start()
            try await $current.withValue(network) { try await body() }
        } catch {
            try? await network.end()
            throw error
        }
        try await network.end()
    }

    private init() async throws {
        let directory = "/tmp/sts-bridge-test." + UUID().uuidString.prefix(8)
        self.directory = directory
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        authority = try await CertificateAuthority(in: directory + "/ca")
        dns = try await KnotServer(in: directory + "/dns")
        web = try NginxServer(in: directory + "/web", authority: authority)
        mx = try await PostfixMX(in: directory + "/mx", authority: authority)
        sender = try await PostfixSender(in: directory + "/sender", authority: authority)
        silentAddresses = try SilentAddresses()
        let listen = """
            listen:
              socketmap: [127.0.0.1:\(BridgeProcess.port), "unix:\(sender.instance.queue)/\(PostfixSender.chrootSocket)"]
              tcp-table: [127.0.0.1:\(BridgeProcess.tcpTablePort)]
              socket-mode: "0666"

            """
        bridge = try BridgeProcess(
            in: directory + "/bridge",
            configuration: listen
                + BridgeEnvironment(minimumTTL: "1s").configuration(trusting: authority, in: directory + "/bridge"),
            ready: BridgeProcess.tcpTablePort)
    }

    private func start() async throws {
        try await dns.start(serving: zone)
        try await web.serve([])
        try await mx.instance.start()
        try await sender.instance.start()
        try await bridge.start()
    }

    private func end() async throws {
        let status = try await bridge.stop()
        try await sender.instance.stop()
        try await mx.instance.stop()
        try await web.stop()
        try await dns.stop()
        silentAddresses.close()
        if ProcessInfo.processInfo.environment["KEEP_TEST_NETWORK"] == nil {
            try FileManager.default.removeItem(atPath: directory)
        }
        guard status == 0 else {
            throw TestNetworkError("sts-bridge ended with \(String(describing: status)) on SIGTERM")
        }
    }

    /// Adds or changes domains. When this returns, DNS and the policy hosts have them.
    nonisolated func publish(_ domains: TestDomain...) async throws {
        try await publish(domains)
    }

    func publish(_ changed: [TestDomain]) async throws {
        for domain in changed { domains[domain.name] = domain }
        try await dns.serve(zone)
        try await web.serve(Array(domains.values))
    }

    /// Runs another bridge beside that of the sender. It starts with an empty directory.
    ///
    /// - Parameters:
    ///   - settings: YAML with top-level keys that `BridgeEnvironment` does not write.
    ///   - surroundings: its view of the network.
    ///   - environment: variables in addition to those of the tests.
    nonisolated func withBridge(
        port: UInt16, settings: String = "", surroundings: BridgeEnvironment = BridgeEnvironment(),
        environment: [String: String] = [:], _ body: (BridgeProcess) async throws -> Void
    ) async throws {
        let listen = "listen:\n  socketmap: [127.0.0.1:\(port)]\n  tcp-table: []\n"
        let bridgeDirectory = "\(directory)/bridge-\(port)"
        if FileManager.default.fileExists(atPath: bridgeDirectory) {
            try FileManager.default.removeItem(atPath: bridgeDirectory)
        }
        let around = surroundings.configuration(trusting: authority, in: bridgeDirectory)
        let bridge = try BridgeProcess(
            in: bridgeDirectory, configuration: listen + around + settings + "\n", ready: port, environment: environment
        )
        try await bridge.start()
        do {
            try await body(bridge)
        } catch {
            _ = try? await bridge.stop()
            throw error
        }
        guard try await bridge.stop() == 0 else {
            throw TestNetworkError("sts-bridge did not drain: \(bridge.log.text())")
        }
    }

    private var zone: [String: [String]] {
        ["example.": MXHost.all.flatMap { $0.zoneLines() } + TestDomain.zoneLines(of: domains.values, below: "example")]
    }

    private static func requireNamespace() throws {
        // Only lo is up in the namespace, and lo adds no route to the main table.
        let routes = LogFile(path: "/proc/net/route").text().split(separator: "\n").dropFirst()
        guard ProcessInfo.processInfo.environment["TEST_NETWORK"] == "inside", routes.isEmpty else {
            throw TestNetworkError(
                "the end-to-end tests need a network namespace of their own: run Tests/in-namespace swift test …")
        }
    }
}

/// The part of a bridge's configuration that depends on the test network: DNS, CA, allowed loopback addresses.
struct BridgeEnvironment: Sendable {
    var servers = [KnotServer.address]
    /// The DNSSEC trust anchors; `nil` for those of the Internet's root.
    var trustAnchorFile: String?
    /// The value of `dns.dnssec`; `nil` omits the key.
    var dnssec: String?
    var timeout = "2s"
    var deadline = "10s"
    var onUnknown = "deliver"
    var minimumTTL = "60s"
    var maximumTTL = "1h"
    /// `nil` for a file in the directory of the bridge.
    var cache: String?

    /// Without DNS: the bridge answers from its cache only.
    static let cutOff = BridgeEnvironment(servers: [SilentAddresses.closed], timeout: "1s")

    /// - Parameter directory: the directory of the bridge.
    func configuration(trusting authority: CertificateAuthority, in directory: String) -> String {
        """
        dns:
          servers: [\(servers.map { "\"\($0)\"" }.joined(separator: ", "))]
          timeout: \(timeout)\(trustAnchorFile.map { "\n  trust-anchor-file: \($0)" } ?? "")\(dnssec.map { "\n  dnssec: \($0)" } ?? "")
        fetch:
          timeout: 5s
          ca-file: \(authority.root)
          allow-networks: [127.0.0.0/8, "fd00:2::/32"]
        lookup:
          deadline: \(deadline)
          on-unknown: \(onUnknown)
        cache:
          path: \(cache ?? directory + "/policies.sqlite")
          min-ttl: \(minimumTTL)
          max-ttl: \(maximumTTL)
        admin:
          socket: \(directory)/admin.sock
          socket-group: daemon
        log:
          level: debug

        """
    }
}
/// Starts the test network for a suite and all its tests, and stops it at the end.
struct RunsInTestNetwork: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await TestNetwork.during(function)
    }
}

extension Trait where Self == RunsInTestNetwork {
    static var inTestNetwork: Self { Self() }
}
