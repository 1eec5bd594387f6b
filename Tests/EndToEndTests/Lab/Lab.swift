import Foundation

/// The end-to-end laboratory: real DNS, real web server, real mail hosts, a real sender, and the bridge between them.
///
/// Everything lives in one temporary directory and in the private namespace that `Tests/in-namespace` makes, and is
/// ended by its process id. Nothing in it knows what the bridge should do: that is for the tests.
actor Lab {
    @TaskLocal private static var current: Lab?

    nonisolated let directory: String
    nonisolated let authority: CertificateAuthority
    nonisolated let dns: KnotServer
    nonisolated let web: NginxServer
    nonisolated let mx: PostfixMX
    nonisolated let sender: PostfixSender
    /// The bridge that the sender asks.
    nonisolated let bridge: BridgeProcess
    private let silence: Silence
    private var domains: [String: LabDomain] = [:]

    /// The laboratory in which the running test stands.
    static var running: Lab {
        get throws {
            guard let current else { throw LabFailure("this test runs outside of a suite with .inLaboratory") }
            return current
        }
    }

    static func during(_ body: @Sendable () async throws -> Void) async throws {
        try requireNamespace()
        let lab = try await Lab()
        do {
            try await lab.start()
            try await $current.withValue(lab) { try await body() }
        } catch {
            try? await lab.end()
            throw error
        }
        try await lab.end()
    }

    private init() async throws {
        let directory = "/tmp/sts-bridge-lab." + UUID().uuidString.prefix(8)
        self.directory = directory
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        authority = try await CertificateAuthority(in: directory + "/ca")
        dns = try await KnotServer(in: directory + "/dns")
        web = try NginxServer(in: directory + "/web", authority: authority)
        mx = try await PostfixMX(in: directory + "/mx", authority: authority)
        sender = try await PostfixSender(in: directory + "/sender", authority: authority)
        silence = try Silence()
        let listen = """
            listen:
              socketmap: [127.0.0.1:\(BridgeProcess.port), "unix:\(sender.instance.queue)/\(PostfixSender.jailSocket)"]
              tcp-table: [127.0.0.1:\(BridgeProcess.tcpTablePort)]
              socket-mode: "0666"

            """
        bridge = try BridgeProcess(
            in: directory + "/bridge",
            configuration: listen
                + Surroundings(minimumTTL: "1s").configuration(trusting: authority, in: directory + "/bridge"),
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
        silence.end()
        if ProcessInfo.processInfo.environment["KEEP_LABORATORY"] == nil {
            try FileManager.default.removeItem(atPath: directory)
        }
        guard status == 0 else { throw LabFailure("sts-bridge ended with \(String(describing: status)) on SIGTERM") }
    }

    /// Makes domains exist, or changes them; when this returns, DNS and the policy hosts say so.
    nonisolated func publish(_ domains: LabDomain...) async throws {
        try await publish(domains)
    }

    func publish(_ changed: [LabDomain]) async throws {
        for domain in changed { domains[domain.name] = domain }
        try await dns.serve(zone)
        try await web.serve(Array(domains.values))
    }

    /// Runs another bridge beside the sender's one, with settings of its own, and nothing left of one before it.
    ///
    /// - Parameters:
    ///   - settings: YAML of top-level keys that `Surroundings` does not write.
    ///   - surroundings: how it sees DNS.
    ///   - environment: beside what the tests themselves have.
    nonisolated func withBridge(
        port: UInt16, settings: String = "", surroundings: Surroundings = Surroundings(),
        environment: [String: String] = [:], _ body: (BridgeProcess) async throws -> Void
    ) async throws {
        let listen = "listen:\n  socketmap: [127.0.0.1:\(port)]\n  tcp-table: []\n"
        let place = "\(directory)/bridge-\(port)"
        if FileManager.default.fileExists(atPath: place) { try FileManager.default.removeItem(atPath: place) }
        let around = surroundings.configuration(trusting: authority, in: place)
        let bridge = try BridgeProcess(
            in: place, configuration: listen + around + settings + "\n", ready: port, environment: environment)
        try await bridge.start()
        do {
            try await body(bridge)
        } catch {
            _ = try? await bridge.stop()
            throw error
        }
        guard try await bridge.stop() == 0 else { throw LabFailure("sts-bridge did not drain: \(bridge.log.text())") }
    }

    private var zone: [String: [String]] {
        ["example.": MXHost.all.flatMap { $0.zoneLines() } + LabDomain.zoneLines(of: domains.values, below: "example")]
    }

    private static func requireNamespace() throws {
        // Only lo is up there, and lo alone makes no route in the main table.
        let routes = LogFile(path: "/proc/net/route").text().split(separator: "\n").dropFirst()
        guard ProcessInfo.processInfo.environment["LABORATORY"] == "inside", routes.isEmpty else {
            throw LabFailure(
                "the end-to-end tests run only in a namespace of their own: Tests/in-namespace swift test …")
        }
    }
}

/// What tells a bridge about the laboratory: its DNS, its authority, and that loopback addresses are fine here.
struct Surroundings: Sendable {
    var servers = [KnotServer.address]
    /// The keys that DNSSEC begins with; nil: the root's.
    var trustAnchorFile: String?
    /// `dns.dnssec`; nil: as it is without the key.
    var dnssec: String?
    var timeout = "2s"
    var deadline = "10s"
    var onUnknown = "deliver"
    var minimumTTL = "60s"
    var maximumTTL = "1h"
    /// Nil: in the bridge's own directory.
    var cache: String?

    /// Nobody answers: what a bridge says there it knew before.
    static let cutOff = Surroundings(servers: [Silence.nobody], timeout: "1s")

    /// - Parameter directory: where the bridge keeps its files.
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
