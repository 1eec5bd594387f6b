import Discovery
import Synchronization

/// The seam to validated DNS by libunbound: a context of its own, which validates every answer itself from the trust anchor.
///
/// Protocol: DNSSEC (RFC 4033 to 4035, RFC 5155) over the same servers as the plain resolver. The servers' AD bit means
/// nothing here (RFC 7672 §2.1.1); they are only asked to hand the signatures through.
/// Concurrency: any number of questions at once. Cancelling the asking task ends its question only.
/// Fails by: `DNSFailure`, within `timeout`, which bounds the answer and all keys it needs together. Bogus carries
/// libunbound's reason.
/// Caching: answers are not kept; the judged keys of a zone are, for their own TTL, so that its second question costs one
/// query. `forget` drops them.
/// Bugs: a zone whose DS or DNSKEY could not be had is bogus for a minute (libunbound's BOGUS_KEY_TTL, which nothing
/// changes), and so is all below it; the reason tells, but not in a fixed form, a failing server from a stripping one.
/// Not here: what follows from secure or insecure (Discovery, DANE).
package final class UnboundValidator: ValidatingResolver {
    private let configuration: UnboundConfiguration
    private let anchors: TrustAnchors
    private let state: Mutex<State>

    private struct State {
        var inquiry: UnboundInquiry
        var isClosed = false
        var lastSecureAnswer: ContinuousClock.Instant?
    }

    package init(_ configuration: UnboundConfiguration, anchors: TrustAnchors) throws(UnboundSetupFailure) {
        self.configuration = configuration
        self.anchors = anchors
        state = Mutex(State(inquiry: try Self.inquiry(configuration, anchors)))
    }

    /// Reads the file now and never again.
    package convenience init(
        _ configuration: UnboundConfiguration, trustAnchorFile path: String = TrustAnchors.systemPath
    ) throws(UnboundSetupFailure) {
        let anchors: TrustAnchors
        do {
            anchors = try TrustAnchors.read(path: path)
        } catch {
            throw .trustAnchor(error)
        }
        try self.init(configuration, anchors: anchors)
    }

    /// Forgets every zone's keys, the bad ones too. Nothing may call it on a schedule: it would give an attacker a moment
    /// at which to forge a key that is known already. Questions under way end by what is known. Takes some milliseconds and
    /// blocks for them; what it fails by changes nothing.
    package func forget() throws(UnboundSetupFailure) {
        let fresh = try Self.inquiry(configuration, anchors)
        state.withLock { state in
            if !state.isClosed { state.inquiry = fresh }
        }
    }

    /// Fails what is under way with `.cancelled` (what began before a `forget` ends by itself, within `timeout`), and all
    /// that comes. Safe to call more than once.
    package func close() {
        let inquiry = state.withLock { state in
            state.isClosed = true
            return state.inquiry
        }
        inquiry.close()
    }

    package func resolveValidated(_ question: DNSQuestion) async throws(DNSFailure) -> ValidatedAnswer {
        let inquiry = state.withLock(\.inquiry)
        let outcome = try await inquiry.ask(question)
        if outcome.isSecure { state.withLock { $0.lastSecureAnswer = .now } }
        return ValidatedAnswer(
            outcome.reading.answer, isSecure: outcome.isSecure, canonicalName: outcome.reading.canonicalName)
    }

    /// When an answer was last proven by signatures; `nil`: never yet. It shows that the servers let DNSSEC through.
    package var lastSecureAnswer: ContinuousClock.Instant? { state.withLock(\.lastSecureAnswer) }

    private static func inquiry(
        _ configuration: UnboundConfiguration, _ anchors: TrustAnchors
    ) throws(UnboundSetupFailure) -> UnboundInquiry {
        try UnboundInquiry(configuration, unboundConf: configuration.unboundConf(anchors: anchors))
    }
}
