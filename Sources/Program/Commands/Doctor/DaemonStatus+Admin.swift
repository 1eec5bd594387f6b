import AdminAPI
import BridgeConfiguration
import DNSClient
import Doctor
import PostfixConfig
import TableServer

extension DaemonStatus {
    /// The limit of the request. The daemon answers from memory.
    private static let timeout = Duration.seconds(5)

    /// Reads the status of the running daemon from its admin socket.
    ///
    /// - Returns: `nil` if the configuration has no admin socket.
    static func read(_ configuration: Configuration) async -> Result<DaemonStatus, UnavailableError>? {
        guard let path = configuration.adminSocket else { return nil }
        do {
            let status = try await AdminClient(path: path, timeout: timeout).get(.status, as: StatusResponse.self)
            return .success(DaemonStatus(status.runtime))
        } catch {
            return .failure(UnavailableError("\(error)"))
        }
    }

    init(_ runtime: RuntimeSummary) {
        self.init(
            dialect: runtime.dialect,
            dane: DANE(runtime.dane), securityLevel: runtime.securityLevel, listeners: runtime.listeners,
            passedSockets: (runtime.passedSockets ?? []).compactMap(DaemonConfiguration.Listener.init(passed:)),
            nameServers: runtime.upstreams.compactMap { try? NameServer($0) }.map(NameServerAddress.init))
    }
}

extension DaemonStatus.DANE {
    fileprivate init(_ dane: RuntimeSummary.DANE) {
        switch dane {
        case .on: self = .on
        case .off: self = .off
        case .suspended: self = .suspended("\(dane)")
        }
    }
}

extension DaemonConfiguration.Listener {
    /// Parses `socketmap unix:/path`.
    fileprivate init?(passed text: String) {
        let words = text.split(separator: " ", maxSplits: 1)
        guard words.count == 2, let table = Table(rawValue: String(words[0])),
            let address = (try? ListenAddress(String(words[1]))).flatMap(TableAddress.init)
        else { return nil }
        self.init(table, address: address, isPassed: true)
    }
}
