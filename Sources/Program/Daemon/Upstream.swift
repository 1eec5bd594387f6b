import BridgeConfiguration
import CurlHTTPS
import Discovery
import DNSClient
import Logging
import Metrics
import Monitoring
import UnboundDNS

/// The clients for DNS and HTTPS that one configuration needs.
///
/// Concurrency: any task. Each query keeps its client alive, so a replaced client ends after its last query.
package struct Upstream: Sendable {
    /// The transport to the DNS servers, for plain and for validated queries.
    let transport: DNSTransport
    let fetcher: CurlFetcher
    /// `nil`: DANE is not looked up.
    let validator: UnboundValidator?
    private let addressFilter: AddressFilter
    private let metrics: any MetricsFactory

    /// - Throws: `DaemonError` if a file or resource that the configuration needs is missing or unusable.
    package init(
        _ configuration: Configuration, wantsDANE: Bool, logger: Logger,
        metrics: any MetricsFactory = MetricsSystem.factory
    ) throws(DaemonError) {
        do {
            let servers =
                configuration.nameServers.isEmpty ? try NameServer.systemOrLocalHost() : configuration.nameServers
            transport = try DNSTransport(
                servers: servers,
                settings: .init(
                    timeout: configuration.dnsTimeout, maximumSockets: DescriptorLimit.dnsSockets),
                onEvent: TransportMetrics(metrics).count)
            validator = try Self.validator(on: transport, for: configuration, isWanted: wantsDANE, logger: logger)
            fetcher = try CurlFetcher(
                CurlFetcherConfiguration(
                    timeout: configuration.fetchTimeout, trust: configuration.trust,
                    maximumInFlight: configuration.maximumFetches, userAgent: Version.userAgent),
                onLoadChange: FetchMetrics(factory: metrics).add)
        } catch {
            throw Self.daemonError(error)
        }
        addressFilter = AddressFilter(allowing: configuration.allowedNetworks)
        self.metrics = metrics
    }

    /// Returns the same clients, with a validator if DANE is wanted and without one if not.
    ///
    /// - Throws: `DaemonError`, as `init` does.
    func validating(
        _ configuration: Configuration, wantsDANE: Bool, logger: Logger
    ) throws(DaemonError) -> Upstream {
        guard wantsDANE != (validator != nil) else { return self }
        do throws(UnboundSetupError) {
            return Upstream(
                self,
                validator: try Self.validator(on: transport, for: configuration, isWanted: wantsDANE, logger: logger))
        } catch {
            throw Self.daemonError(error)
        }
    }

    /// The error is `.temporary` if the next start may get a descriptor, a thread or a readable resolv.conf.
    private static func daemonError(_ error: any Error) -> DaemonError {
        let kind: DaemonError.Kind =
            switch error {
            case DNSTransportError.system, UnboundSetupError.library, UnboundSetupError.transport,
                CurlSetupError.resources, is NameServer.FileError:
                .temporary
            default: .configuration
            }
        return DaemonError(kind, reason: "\(error)")
    }

    private init(_ other: Upstream, validator: UnboundValidator?) {
        transport = other.transport
        fetcher = other.fetcher
        self.validator = validator
        addressFilter = other.addressFilter
        metrics = other.metrics
    }

    /// If the validator cannot be set up, `dns.dnssec: auto` continues without DANE, and `on` throws. A temporary error,
    /// such as a missing descriptor, throws with `auto` too: a reload would switch DANE off until the next one.
    private static func validator(
        on transport: DNSTransport, for configuration: Configuration, isWanted: Bool, logger: Logger
    ) throws(UnboundSetupError) -> UnboundValidator? {
        guard isWanted else { return nil }
        do throws(UnboundSetupError) {
            return try UnboundValidator(transport, trustAnchorFile: configuration.trustAnchorFile)
        } catch {
            guard configuration.dnssec == .auto, configuration.postfix.dane != .on, !error.isTemporary else {
                throw error
            }
            logger.error("cannot set up DNSSEC validation, DANE is off", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    /// The DNS servers in use.
    var servers: [NameServer] { transport.servers }

    /// Replaces the DNS servers. Call `forgetKeys` afterwards.
    func update(servers: [NameServer]) { transport.update(servers: servers) }

    /// Forgets the DNSSEC keys of all zones. A key that the old servers did not return makes its zone bogus for a minute.
    /// Blocks for some milliseconds.
    ///
    /// - Throws: `UnboundSetupError` if no descriptor, thread or memory is available. Nothing has changed then.
    func forgetKeys() throws(UnboundSetupError) { try validator?.forgetKeys() }

    var discovery: PolicyDiscovery {
        PolicyDiscovery(
            resolver: MeteredResolver(StubResolver(transport), factory: metrics), fetcher: fetcher,
            addressFilter: addressFilter, executor: transport.executor,
            onEvent: DiscoveryMetrics(factory: metrics).count)
    }

    var dane: DANEDiscovery? {
        validator.map {
            DANEDiscovery(
                resolver: MeteredValidatingResolver($0, factory: metrics),
                onEvent: DiscoveryMetrics(factory: metrics).count)
        }
    }

    /// Ends the threads of the clients. Pending queries and fetches end with a cancellation error.
    package func close() async {
        validator?.close()
        transport.close()
        await fetcher.close()
    }
}
