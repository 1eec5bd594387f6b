import BridgeConfiguration
import BridgeDaemon
import CurlHTTPS
import Discovery
import DNSClient
import Doctor
import Foundation
import PostfixConfig
import TableServer
import UnboundDNS

/// The clients for DNS and HTTPS that `doctor` checks. If one cannot be created, the check of it fails, and the others run.
struct DoctorClients {
    let environment: DoctorRun.Environment
    private let transport: DNSTransport?
    private let validator: UnboundValidator?
    private let fetcher: CurlFetcher?

    /// The limit of a fetch, even if `fetch.timeout` is longer.
    private static let fetchTimeout = Duration.seconds(15)

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
                    timeout: min(configuration.fetchTimeout, Self.fetchTimeout), trust: configuration.trust,
                    maximumInFlight: configuration.maximumFetches, userAgent: Version.userAgent))
        }
        let discovery = transport.flatMap { transport in
            fetcher.map {
                PolicyDiscovery(
                    resolver: StubResolver(transport), fetcher: $0,
                    addressFilter: AddressFilter(allowing: configuration.allowedNetworks))
            }
        }
        environment = DoctorRun.Environment(
            discovery: discovery, validator: validator.map { $0 }, nameServers: NameServerList.read(_:),
            now: { Int(Date().timeIntervalSince1970) })
        self.transport = try? transport.get()
        self.validator = try? validator.get()
        self.fetcher = try? fetcher.get()
    }

    /// Returns the error with which `serve` would not start, such as an unusable CA file or trust anchor file; `nil`: there
    /// is none. Another check compares the configuration with Postfix's settings.
    static func startProblem(_ configuration: Configuration) async -> String? {
        let postfix = DetectedPostfix(configuration, postconf: .run())
        var logger = LogControl(configuration).logger
        // Other checks report the warnings.
        logger.logLevel = .critical
        do throws(DaemonError) {
            try await Upstream(configuration, wantsDANE: postfix.wantsDANE, logger: logger).close()
            try configuration.checkStore()
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

private func attempt<Value>(_ work: () throws -> Value) -> Result<Value, UnavailableError> {
    do {
        return .success(try work())
    } catch {
        return .failure(UnavailableError("\(error)"))
    }
}

extension NameServerList {
    /// Reads the resolv.conf(5) at `path`.
    fileprivate static func read(_ path: String) -> NameServerList {
        do throws(NameServer.FileError) {
            return .servers(try NameServer.system(path: path).map(NameServerAddress.init))
        } catch {
            return error.code == ENOENT ? .missing : .unreadable("\(error)")
        }
    }
}
