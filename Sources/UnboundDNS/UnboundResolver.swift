import Discovery

/// The resolver seam by libunbound, forwarding to the configured servers; without DNSSEC and without a cache.
///
/// Protocol: DNS over UDP, TCP after truncation, IPv4 and IPv6.
/// Concurrency: any number of questions at once. Cancelling the asking task ends its question only.
/// Fails by: `DNSFailure`, within `timeout`. libunbound makes SERVFAIL of every error answer (REFUSED, NOTIMP …) and of a
/// CNAME loop; a loop is told apart by asking for its aliases one by one, which only a failure costs.
/// Bugs: equal questions under way at the same moment share one upstream query (libunbound's mesh).
/// Not here: caching (PolicyService), what records mean (Discovery).
package final class UnboundResolver: Resolver {
    private let inquiry: UnboundInquiry

    package init(_ configuration: UnboundConfiguration) throws(UnboundSetupFailure) {
        inquiry = try UnboundInquiry(configuration, unboundConf: configuration.unboundConf)
    }

    /// Fails what is under way with `.cancelled`, and all that comes. Safe to call more than once.
    package func close() { inquiry.close() }

    package func resolve(_ question: DNSQuestion) async throws(DNSFailure) -> DNSAnswer {
        try await inquiry.ask(question).reading.answer
    }
}
