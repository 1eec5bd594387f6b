import CurlHTTPS
import Discovery
import Logging
import UnboundDNS

/// The ways out to DNS and HTTPS, as one configuration has them.
///
/// Threads: any. Each question holds what it was asked of, so one that is replaced ends with its last question.
struct Upstream: Sendable {
    let servers: [NameServer]
    let resolver: UnboundResolver
    let fetcher: CurlFetcher
    /// `nil`: DANE is not looked for.
    let validator: UnboundValidator?
    private let dialingRule: DialingRule

    /// - Throws: `CommandFailure` when something the configuration names cannot be had.
    init(_ configuration: Configuration, wantsDANE: Bool, logger: Logger) throws(CommandFailure) {
        do {
            servers = configuration.nameServers.isEmpty ? try NameServer.system() : configuration.nameServers
            let dns = UnboundConfiguration(servers: servers, timeout: configuration.dnsTimeout)
            resolver = try UnboundResolver(dns)
            validator = try Self.validator(dns, configuration, isWanted: wantsDANE, logger)
            fetcher = try CurlFetcher(
                CurlFetcherConfiguration(
                    timeout: configuration.fetchTimeout, trust: configuration.trust,
                    maximumInFlight: configuration.maximumFetches, userAgent: Version.userAgent))
        } catch {
            throw CommandFailure(.usage, "\(error)")
        }
        dialingRule = DialingRule(allowing: configuration.allowedNetworks)
    }

    /// DNSSEC `auto` goes without DANE where it cannot be set up; `on` does not start.
    private static func validator(
        _ dns: UnboundConfiguration, _ configuration: Configuration, isWanted: Bool, _ logger: Logger
    ) throws(UnboundSetupFailure) -> UnboundValidator? {
        guard isWanted else { return nil }
        do throws(UnboundSetupFailure) {
            return try UnboundValidator(dns, trustAnchorFile: configuration.trustAnchorFile)
        } catch {
            guard configuration.dnssec == .auto, configuration.postfix.dane != .on else { throw error }
            logger.error("DNSSEC cannot be validated, DANE is off", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    var discovery: PolicyDiscovery { PolicyDiscovery(resolver: resolver, fetcher: fetcher, dialingRule: dialingRule) }

    var dane: DANEDiscovery? { validator.map { DANEDiscovery(resolver: $0) } }

    /// Ends the resolver's and the fetcher's threads, and what is under way with "cancelled".
    func close() async {
        resolver.close()
        validator?.close()
        await fetcher.close()
    }
}
