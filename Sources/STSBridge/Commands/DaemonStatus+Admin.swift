import Admin
import DNSClient
import Doctor
import LookupServer
import PostfixSettings

extension DaemonStatus {
    /// Limit for the answer: the daemon has it at hand.
    private static let patience = Duration.seconds(5)

    /// Asks the running daemon by its admin socket.
    ///
    /// - Returns: `nil` if the configuration has no admin socket.
    static func asked(_ configuration: Configuration) async -> Result<DaemonStatus, Unavailable>? {
        guard let path = configuration.adminSocket else { return nil }
        do {
            let status = try await AdminClient.with(path: path, patience: patience) {
                try await $0.get(.status, as: Status.self)
            }
            return .success(DaemonStatus(status.setup))
        } catch {
            return .failure(Unavailable("\(error)"))
        }
    }

    init(_ facts: SetupFacts) {
        self.init(
            dialect: facts.dialect,
            dane: facts.dane == SetupFacts.on ? .on : facts.dane == "off" ? .off : .suspended(facts.dane),
            securityLevel: facts.securityLevel, listeners: facts.listeners,
            passedSockets: (facts.passedSockets ?? []).compactMap(BridgeSetup.Listener.init(passed:)),
            nameServers: facts.upstreams.compactMap { try? NameServer($0) }.map(NameServerAddress.init))
    }
}

extension BridgeSetup.Listener {
    /// `socketmap unix:/path`
    fileprivate init?(passed text: String) {
        let words = text.split(separator: " ", maxSplits: 1)
        guard words.count == 2, let table = Table(rawValue: String(words[0])),
            let address = (try? ListenAddress(String(words[1]))).flatMap(TableAddress.init)
        else { return nil }
        self.init(table, address, isPassed: true)
    }
}
