import CurlHTTPS
import DNSClient
import Discovery
import Doctor
import Foundation
import LookupServer
import PostfixSettings
import UnboundDNS

/// The parts of the daemon that a doctor tries, each for itself: what cannot be set up is a finding, not the end.
struct DoctorParts {
    let surroundings: Examination.Surroundings
    private let transport: DNSTransport?
    private let validator: UnboundValidator?
    private let fetcher: CurlFetcher?

    /// A policy host that takes longer is told, whatever `fetch.timeout` allows.
    private static let patience = Duration.seconds(15)

    init(_ configuration: Configuration) {
        let transport = attempt {
            let servers =
                configuration.nameServers.isEmpty ? try NameServer.systemOrLocalHost() : configuration.nameServers
            return try DNSTransport(servers: servers, settings: .init(timeout: configuration.dnsTimeout))
        }
        let validator = transport.flatMap { transport in
            attempt { try UnboundValidator(transport, trustAnchorFile: configuration.trustAnchorFile) }
        }
        let fetcher = attempt {
            try CurlFetcher(
                CurlFetcherConfiguration(
                    timeout: min(configuration.fetchTimeout, Self.patience), trust: configuration.trust,
                    maximumInFlight: configuration.maximumFetches, userAgent: Version.userAgent))
        }
        let discovery = transport.flatMap { transport in
            fetcher.map {
                PolicyDiscovery(
                    resolver: StubResolver(transport), fetcher: $0,
                    dialingRule: DialingRule(allowing: configuration.allowedNetworks))
            }
        }
        surroundings = Examination.Surroundings(
            discovery: discovery, validator: validator.map { $0 }, nameServers: NameServerList.read(_:),
            now: { Int(Date().timeIntervalSince1970) })
        self.transport = try? transport.get()
        self.validator = try? validator.get()
        self.fetcher = try? fetcher.get()
    }

    /// Why `serve` refuses what the configuration names: a CA file, the root's keys. (What contradicts Postfix is a check of
    /// its own.) `nil`: it does not.
    static func startProblem(_ configuration: Configuration) async -> String? {
        let postfix = PostfixAtHand(configuration, .ask())
        var logger = LogControl(configuration).logger
        // What is less than a refusal the checks tell.
        logger.logLevel = .critical
        do throws(CommandFailure) {
            try await Upstream(configuration, wantsDANE: postfix.wantsDANE, logger: logger).close()
            try configuration.checkArchive()
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Ends the threads for DNS and HTTPS.
    func close() async {
        validator?.close()
        transport?.close()
        await fetcher?.close()
    }
}

private func attempt<Value>(_ work: () throws -> Value) -> Result<Value, Unavailable> {
    do {
        return .success(try work())
    } catch {
        return .failure(Unavailable("\(error)"))
    }
}

extension NameServerList {
    /// resolv.conf(5) at some place.
    fileprivate static func read(_ path: String) -> NameServerList {
        do throws(NameServer.Unreadable) {
            return .servers(try NameServer.system(path: path).map(NameServerAddress.init))
        } catch {
            return error.code == ENOENT ? .missing : .unreadable("\(error)")
        }
    }
}

extension NameServerAddress {
    init(_ server: NameServer) {
        self.init(host: server.scope.map { "\(server.address)%\($0)" } ?? "\(server.address)", port: server.port)
    }
}

extension BridgeSetup {
    init(_ configuration: Configuration) {
        var choices = configuration.postfix
        choices.noPolicyReply = configuration.decisions.noPolicyReply.entry
        let passed = (
            socketmap: configuration.socketmap.compactMap(\.passedName),
            tcp: configuration.tcpTable.compactMap(\.passedName)
        )
        self.init(
            listeners: configuration.socketmap.compactMap(TableAddress.init).map { Listener(.socketmap, $0) }
                + configuration.tcpTable.compactMap(TableAddress.init).map { Listener(.tcp, $0) },
            passedSockets: passed.socketmap + passed.tcp,
            choices: choices, securityLevel: configuration.securityLevel, dnssec: DNSSEC(configuration.dnssec),
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
    /// `nil`: the service manager alone knows where.
    init?(_ address: ListenAddress) {
        switch address {
        case .systemd: return nil
        case .tcp(let host, let port): self = .inet(host: host, port: UInt16(clamping: port))
        case .unix(let path): self = .unix(path: path)
        }
    }
}

extension BridgeSetup.DNSSEC {
    fileprivate init(_ mode: DNSSECMode) {
        switch mode {
        case .auto: self = .auto
        case .on: self = .on
        case .off: self = .off
        }
    }
}
