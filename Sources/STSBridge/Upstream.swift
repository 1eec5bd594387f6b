import CurlHTTPS
import DNSClient
import Discovery
import Logging
import Metrics
import Monitoring
import UnboundDNS

/// The ways out to DNS and HTTPS, as one configuration has them.
///
/// Threads: any. Each question holds what it was asked of, so one that is replaced ends with its last question.
struct Upstream: Sendable {
    /// The way to the DNS servers, shared by plain and validated questions.
    let transport: DNSTransport
    let fetcher: CurlFetcher
    /// `nil`: DANE is not looked for.
    let validator: UnboundValidator?
    private let dialingRule: DialingRule
    private let metrics: any MetricsFactory

    /// - Throws: `CommandFailure` when something the configuration names cannot be had.
    init(
        _ configuration: Configuration, wantsDANE: Bool, logger: Logger,
        metrics: any MetricsFactory = MetricsSystem.factory
    ) throws(CommandFailure) {
        do {
            let servers =
                configuration.nameServers.isEmpty ? try NameServer.systemOrLocalHost() : configuration.nameServers
            transport = try DNSTransport(
                servers: servers,
                settings: .init(
                    timeout: configuration.dnsTimeout, maximumSockets: DescriptorLimit.dnsSockets),
                onEvent: TransportMetrics(metrics).count)
            validator = try Self.validator(transport, configuration, isWanted: wantsDANE, logger)
            fetcher = try CurlFetcher(
                CurlFetcherConfiguration(
                    timeout: configuration.fetchTimeout, trust: configuration.trust,
                    maximumInFlight: configuration.maximumFetches, userAgent: Version.userAgent),
                onLoadChange: FetchMetrics(factory: metrics).add)
        } catch {
            throw Self.failure(error)
        }
        dialingRule = DialingRule(allowing: configuration.allowedNetworks)
        self.metrics = metrics
    }

    /// The same ways out, with a validator if DANE is wanted, and without one if not.
    ///
    /// - Throws: `CommandFailure` as `init`.
    func validating(
        _ configuration: Configuration, wantsDANE: Bool, logger: Logger
    ) throws(CommandFailure) -> Upstream {
        guard wantsDANE != (validator != nil) else { return self }
        do throws(UnboundSetupFailure) {
            return Upstream(
                self,
                validator: try Self.validator(transport, configuration, isWanted: wantsDANE, logger))
        } catch {
            throw Self.failure(error)
        }
    }

    /// `.usage` if only another configuration helps: the unit does not restart the daemon after that. Else `.unknown`: the
    /// next start may find a descriptor, a thread or a readable resolv.conf.
    private static func failure(_ error: any Error) -> CommandFailure {
        let status: ExitStatus =
            switch error {
            case DNSTransportError.system, UnboundSetupFailure.library, UnboundSetupFailure.transport,
                CurlSetupError.resources, is NameServer.Unreadable:
                .unknown
            default: .usage
            }
        return CommandFailure(status, "\(error)")
    }

    private init(_ other: Upstream, validator: UnboundValidator?) {
        transport = other.transport
        fetcher = other.fetcher
        self.validator = validator
        dialingRule = other.dialingRule
        metrics = other.metrics
    }

    /// DNSSEC `auto` goes without DANE if it cannot be set up; `on` does not start. Neither does `auto` if a descriptor is
    /// missing for the moment: a reload would switch DANE off until the next one.
    private static func validator(
        _ transport: DNSTransport, _ configuration: Configuration, isWanted: Bool, _ logger: Logger
    ) throws(UnboundSetupFailure) -> UnboundValidator? {
        guard isWanted else { return nil }
        do throws(UnboundSetupFailure) {
            return try UnboundValidator(transport, trustAnchorFile: configuration.trustAnchorFile)
        } catch {
            guard configuration.dnssec == .auto, configuration.postfix.dane != .on, !error.isTemporary else {
                throw error
            }
            logger.error("DNSSEC cannot be validated, DANE is off", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    /// DNS servers in use.
    var servers: [NameServer] { transport.servers }

    /// Asks these DNS servers from now on. `forgetKeys` belongs to it.
    func update(servers: [NameServer]) { transport.update(servers: servers) }

    /// Forgets the keys of zones: one that could not be fetched from other servers is bogus for a minute. Blocks for some
    /// milliseconds.
    ///
    /// - Throws: `UnboundSetupFailure` if this host has no descriptor, thread or memory for it; nothing has changed then.
    func forgetKeys() throws(UnboundSetupFailure) { try validator?.forget() }

    var discovery: PolicyDiscovery {
        PolicyDiscovery(
            resolver: MeteredResolver(StubResolver(transport), factory: metrics), fetcher: fetcher,
            dialingRule: dialingRule,
            onEnding: DiscoveryMetrics(factory: metrics).count)
    }

    var dane: DANEDiscovery? {
        validator.map {
            DANEDiscovery(
                resolver: MeteredValidatingResolver($0, factory: metrics),
                onEnding: DiscoveryMetrics(factory: metrics).count)
        }
    }

    /// Ends the resolver's and the fetcher's threads, and what is under way with "cancelled".
    func close() async {
        validator?.close()
        transport.close()
        await fetcher.close()
    }
}
