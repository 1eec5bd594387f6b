import AdminAPI
import ArgumentParser
import Doctor
import PostfixConfig
import TableServer

struct HealthcheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck",
        abstract: "Makes a lookup like Postfix, for containers and watchdogs.",
        discussion: """
            Makes one real lookup through the first listener of the configuration, with a key that needs no DNS. It \
            shows that the daemon runs and answers, not that DNS and HTTPS work (sts-bridge status shows that). In a \
            Dockerfile:
              HEALTHCHECK CMD ["sts-bridge", "healthcheck"]
            If systemd opens all sockets (systemd:NAME), give the address of the .socket unit with --address.
            Exit code 0 if the reply is correct, 3 if it is wrong or late, 4 if no process listens.
            """)

    @OptionGroup var configuration: ConfigurationOption
    @Option(
        help: ArgumentHelp(
            "Use this address instead of the configured one.", discussion: "host:port, [IPv6]:port or unix:/path.",
            valueName: "address"),
        transform: { try ListenAddress($0) })
    var address: ListenAddress?
    @Flag(help: "With --address: use tcp_table instead of socketmap.") var tcpTable = false
    @Flag(help: "Print JSON.") var json = false

    private struct Health: Encodable {
        let address: String
        let `protocol`: String
        let milliseconds: Double
    }

    func run() async throws {
        let (address, listener) = try target()
        let probe = LookupProbe(listener.table, address: listener.address)
        let start = ContinuousClock.now
        let outcome = await Blocking.run { probe.ask(LookupProbe.probeKey) }
        let milliseconds = start.duration(to: .now) / .milliseconds(1)
        if let error = Self.error(outcome, of: probe, at: "\(address)") { throw error }
        let table = listener.table.rawValue
        let rounded = (milliseconds * 10).rounded() / 10
        let health = Health(address: "\(address)", protocol: table, milliseconds: rounded)
        print(
            json
                ? try APIEncoding.text(health, isIndented: true) : "ok: \(address) answers by \(table) in \(rounded) ms"
        )
    }

    /// `nil`: the reply is correct.
    private static func error(
        _ outcome: LookupProbe.Outcome, of probe: LookupProbe, at address: String
    ) -> CommandError? {
        switch outcome {
        case .answered(let text) where probe.isRight(text): return nil
        case .answered(let text):
            return CommandError(.unknown, reason: "\(address) answers \"\(text)\" instead of \"not found\"")
        case .malformedReply(let reason):
            return CommandError(.unknown, reason: "\(address) sends a malformed reply: \(reason)")
        case .forbidden: return CommandError(.unreachable, reason: "no permission for \(address)")
        case .unreachable(let reason):
            return CommandError(
                .unreachable, reason: "no process answers at \(address): \(reason); is the daemon running?")
        }
    }

    /// The first listener with a known address.
    private func target() throws(CommandError) -> (ListenAddress, DaemonConfiguration.Listener) {
        let addresses = try addresses()
        for (address, table) in addresses {
            if let endpoint = TableAddress(address) {
                return (address, DaemonConfiguration.Listener(table, address: endpoint))
            }
        }
        guard let address = addresses.first?.0 else { throw CommandError(.usage, reason: "no listener is configured") }
        throw CommandError(
            .unknown,
            reason:
                "\(address) is opened by systemd, so its address is unknown; give it with --address")
    }

    private func addresses() throws(CommandError) -> [(ListenAddress, DaemonConfiguration.Listener.Table)] {
        if let address { return [(address, tcpTable ? .tcp : .socketmap)] }
        let configuration = try configuration.read()
        return configuration.socketmap.map { ($0, .socketmap) } + configuration.tcpTable.map { ($0, .tcp) }
    }
}
