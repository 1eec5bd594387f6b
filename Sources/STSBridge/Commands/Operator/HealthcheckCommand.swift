import ArgumentParser
import Foundation
import LookupServer

struct HealthcheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck",
        abstract: "Asks the running daemon as Postfix does, for containers and watchdogs.",
        discussion: """
            One real lookup through the first listener of the configuration, with a key that is answered without \
            DNS: it shows that the daemon is up and answers, not that the world is well (sts-bridge status does). In \
            a Dockerfile:
              HEALTHCHECK CMD ["sts-bridge", "healthcheck"]
            Exit code 0 when the answer is right, 3 when it is wrong or late, 4 when nobody listens.
            """)

    @OptionGroup var configuration: ConfigurationOption
    @Flag(help: "Print JSON.") var json = false

    private struct Health: Encodable {
        let address: String
        let `protocol`: String
        let milliseconds: Double
    }

    func run() async throws {
        let configuration = try configuration.read()
        let listeners =
            configuration.socketmap.map { ($0, TableProtocol.socketmap) }
            + configuration.tcpTable.map { ($0, TableProtocol.tcpTable) }
        guard let (address, table) = listeners.first else {
            throw CommandFailure(.usage, "no listener is configured")
        }
        let start = ContinuousClock.now
        try await TableProbe(address: address, table: table).run(within: .seconds(5))
        let milliseconds = start.duration(to: .now) / .milliseconds(1)
        let rounded = (milliseconds * 10).rounded() / 10
        let health = Health(address: "\(address)", protocol: table.rawValue, milliseconds: rounded)
        print(json ? try JSONText.encode(health) : "ok: \(address) answers by \(table.rawValue) in \(rounded) ms")
    }
}
