import ArgumentParser
import Doctor
import LookupServer
import PostfixSettings

struct HealthcheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck",
        abstract: "Asks the running daemon as Postfix does, for containers and watchdogs.",
        discussion: """
            One real lookup through the first listener of the configuration, with a key that is answered without \
            DNS: it shows that the daemon is up and answers, not that the world is well (sts-bridge status does). In \
            a Dockerfile:
              HEALTHCHECK CMD ["sts-bridge", "healthcheck"]
            Where the service manager opens all sockets (systemd:NAME), say with --address what stands in the .socket unit.
            Exit code 0 when the answer is right, 3 when it is wrong or late, 4 when nobody listens.
            """)

    @OptionGroup var configuration: ConfigurationOption
    @Option(
        help: ArgumentHelp(
            "Ask here, whatever the configuration says.", discussion: "host:port, [IPv6]:port or unix:/path.",
            valueName: "address"),
        transform: { try ListenAddress($0) })
    var address: ListenAddress?
    @Flag(help: "With --address: ask by tcp_table instead of socketmap.") var tcpTable = false
    @Flag(help: "Print JSON.") var json = false

    private struct Health: Encodable {
        let address: String
        let `protocol`: String
        let milliseconds: Double
    }

    func run() async throws {
        let (address, listener) = try place()
        let probe = LookupProbe(listener.table, listener.address)
        let start = ContinuousClock.now
        let outcome = await Blocking.run { probe.ask(LookupProbe.harmlessKey) }
        let milliseconds = start.duration(to: .now) / .milliseconds(1)
        if let failure = Self.failure(outcome, of: probe, at: "\(address)") { throw failure }
        let table = listener.table.rawValue
        let rounded = (milliseconds * 10).rounded() / 10
        let health = Health(address: "\(address)", protocol: table, milliseconds: rounded)
        print(json ? try JSONText.encode(health) : "ok: \(address) answers by \(table) in \(rounded) ms")
    }

    /// `nil`: the answer is right.
    private static func failure(
        _ outcome: LookupProbe.Outcome, of probe: LookupProbe, at address: String
    ) -> CommandFailure? {
        switch outcome {
        case .answered(let text) where probe.isRight(text): return nil
        case .answered(let text):
            return CommandFailure(.unknown, "\(address) answers \"\(text)\" where not found is right")
        case .garbled(let reason): return CommandFailure(.unknown, "\(address) does not answer rightly: \(reason)")
        case .forbidden: return CommandFailure(.unreachable, "no permission for \(address)")
        case .unreachable(let reason):
            return CommandFailure(.unreachable, "nobody answers at \(address): \(reason); is the daemon running?")
        }
    }

    /// The first of which it is known where it is.
    private func place() throws(CommandFailure) -> (ListenAddress, BridgeSetup.Listener) {
        let addresses = try addresses()
        for (address, table) in addresses {
            if let place = TableAddress(address) { return (address, BridgeSetup.Listener(table, place)) }
        }
        guard let address = addresses.first?.0 else { throw CommandFailure(.usage, "no listener is configured") }
        throw CommandFailure(
            .unknown,
            "\(address) is opened by the service manager, which alone knows where; name the place with --address")
    }

    private func addresses() throws(CommandFailure) -> [(ListenAddress, BridgeSetup.Listener.Table)] {
        if let address { return [(address, tcpTable ? .tcp : .socketmap)] }
        let configuration = try configuration.read()
        return configuration.socketmap.map { ($0, .socketmap) } + configuration.tcpTable.map { ($0, .tcp) }
    }
}
