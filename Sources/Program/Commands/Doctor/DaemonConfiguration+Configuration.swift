import BridgeConfiguration
import BridgeDaemon
import DNSClient
import Doctor
import PostfixConfig
import TableServer

extension NameServerAddress {
    init(_ server: NameServer) {
        self.init(host: server.scope.map { "\(server.address)%\($0)" } ?? "\(server.address)", port: server.port)
    }
}

extension DaemonConfiguration {
    init(_ configuration: Configuration) {
        var options = configuration.postfix
        options.noPolicyReply = configuration.decisions.noPolicyReply.entry
        let passed = (
            socketmap: configuration.socketmap.compactMap(\.passedName),
            tcp: configuration.tcpTable.compactMap(\.passedName)
        )
        self.init(
            listeners: configuration.socketmap.compactMap(TableAddress.init).map { Listener(.socketmap, address: $0) }
                + configuration.tcpTable.compactMap(TableAddress.init).map { Listener(.tcp, address: $0) },
            passedSockets: passed.socketmap + passed.tcp,
            options: options, securityLevel: configuration.securityLevel, dnssec: DNSSEC(configuration.dnssec),
            nameServers: configuration.nameServers.map(NameServerAddress.init), dnsTimeout: configuration.dnsTimeout,
            lookupDeadline: configuration.lookup.deadline,
            cachePath: configuration.store == .memory ? nil : configuration.cachePath,
            adminSocket: configuration.adminSocket)
        if passed.tcp.isEmpty { passedTable = .socketmap } else if passed.socketmap.isEmpty { passedTable = .tcp }
    }
}

extension ListenAddress {
    fileprivate var passedName: String? {
        guard case .systemd(let name) = self else { return nil }
        return name
    }
}

extension TableAddress {
    /// Returns `nil` for a socket from systemd: its address is in the unit.
    init?(_ address: ListenAddress) {
        switch address {
        case .systemd: return nil
        case .tcp(let host, let port): self = .inet(host: host, port: UInt16(clamping: port))
        case .unix(let path): self = .unix(path: path)
        }
    }
}

extension DaemonConfiguration.DNSSEC {
    fileprivate init(_ mode: DNSSECMode) {
        switch mode {
        case .auto: self = .auto
        case .on: self = .on
        case .off: self = .off
        }
    }
}
