import Foundation
import Testing

/// A Debian 13 beside the signed Internet. Its Postfix 3.10 sends with the map name `sts`, the comparison of MX host names
/// and TLS reports. The bridge runs in it and reads the settings of that Postfix.
actor Debian13 {
    static let bridgePort: UInt16 = 8478

    @TaskLocal private static var current: Debian13?

    nonisolated let internet: SignedInternet
    nonisolated let sender: PostfixSender
    nonisolated let bridge: BridgeProcess
    nonisolated let reports: TLSRPTReceiver
    /// The command line of the bridge's program in the tree.
    nonisolated let program: [String]

    static var running: Debian13 {
        get throws {
            guard let current else { throw TestNetworkError("this test runs outside of a suite with .onDebian13") }
            return current
        }
    }

    static func during(_ body: @Sendable () async throws -> Void) async throws {
        let debian = try await Debian13(beside: SignedInternet.running)
        do {
            try await debian.sender.instance.start()
            try await debian.bridge.start()
            try await $current.withValue(debian) { try await body() }
        } catch {
            try? await debian.end()
            throw error
        }
        try await debian.end()
    }

    private init(beside internet: SignedInternet) async throws {
        self.internet = internet
        let authority = internet.network.authority
        let directory = internet.network.directory + "/debian13"
        let programs = try PostfixPrograms.debian13(sharing: internet.network.directory)
        sender = try await PostfixSender(
            in: directory, programs: programs, authority: authority, port: Self.bridgePort, map: "sts",
            dnssec: UnboundServer.address, onlySocketmap: true,
            settings: [
                "smtp_tls_enforce_sts_mx_patterns = yes", "smtp_tlsrpt_enable = yes",
                "smtp_tlsrpt_socket_name = run/tlsrpt",
            ])
        reports = try TLSRPTReceiver(at: sender.instance.queue + "/run/tlsrpt")
        // One resolver for Postfix and the bridge, as on an ordinary host.
        program = try await Self.install(
            in: directory + "/program", programs, resolver: sender.instance.configuration + "/resolv.conf")
        let surroundings = BridgeEnvironment(
            servers: [UnboundServer.address], trustAnchorFile: internet.trustAnchorFile, minimumTTL: "1s")
        bridge = try BridgeProcess(
            in: directory + "/bridge",
            configuration: "listen:\n  socketmap: [127.0.0.1:\(Self.bridgePort)]\n  tcp-table: []\n"
                + surroundings.configuration(trusting: authority, in: directory + "/bridge"),
            ready: Self.bridgePort, environment: ["MAIL_CONFIG": sender.instance.configuration], program: program)
    }

    private func end() async throws {
        let status = try await bridge.stop()
        try await sender.instance.stop()
        guard status == 0 else {
            throw TestNetworkError("sts-bridge ended with \(String(describing: status)) on SIGTERM")
        }
    }

    /// Publishes domains that request TLS reports.
    nonisolated func publish(_ domains: TestDomain...) async throws {
        try await internet.publish(
            domains.map { domain in
                domain.with {
                    $0.records.append("_smtp._tls.\(domain.name). TXT \"v=TLSRPTv1; rua=mailto:r@\(domain.name)\"")
                }
            })
    }

    /// The reply to a lookup.
    nonisolated func reply(to key: String, map: String = "sts") async throws -> String {
        try await SocketmapClient.ask(key, map: map, port: Self.bridgePort)
    }

    /// Runs a command of `sts-bridge` in the tree.
    nonisolated func command(_ arguments: String...) async throws -> (status: Int32, output: String) {
        let command = program + arguments + ["--config", bridge.configurationPath]
        return try await ChildProcess.run(
            command[0], arguments: Array(command[1...]), environment: ["MAIL_CONFIG": sender.instance.configuration])
    }

    /// Copies the program and the libraries of the Swift toolchain to a directory of the tree.
    ///
    /// - Returns: the command line that runs it.
    private static func install(
        in directory: String, _ programs: PostfixPrograms, resolver: String
    ) async throws -> [String] {
        let binary = try BridgeProcess.binary()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: binary, toPath: directory + "/sts-bridge")
        let libraries = try await ChildProcess.must("/usr/bin/ldd", arguments: [binary]).split(separator: "\n")
            .compactMap { $0.firstMatch(of: /=> (\/\S+)/).map { String($0.1) } }
            .filter { !$0.hasPrefix("/lib") && !$0.hasPrefix("/usr/lib") }
        for library in libraries {
            let name = (library as NSString).lastPathComponent
            try FileManager.default.copyItem(atPath: library, toPath: directory + "/" + name)
        }
        let program = ["LD_LIBRARY_PATH=\(directory)", directory + "/sts-bridge"]
        return programs.command("/usr/bin/env", arguments: program, resolver: resolver)
    }
}

/// Starts the Debian 13 once for a suite on the signed Internet, and ends it afterwards.
struct RunsOnDebian13: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await Debian13.during(function)
    }
}

extension Trait where Self == RunsOnDebian13 {
    static var onDebian13: Self { Self() }
}
