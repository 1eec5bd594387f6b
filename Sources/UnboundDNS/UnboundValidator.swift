import DNSClient
import Discovery
import Synchronization

/// The seam to validated DNS by libunbound: a context of its own, which validates every answer itself from the trust anchor.
///
/// Protocol: DNSSEC (RFC 4033 to 4035, RFC 5155) over the same transport as the plain resolver, so with the same servers,
/// retransmission and fail-over. The servers' AD bit means nothing here (RFC 7672 §2.1.1); they are only asked to pass
/// the signatures on.
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
    private let transport: DNSTransport
    private let state: Mutex<State>

    private struct State {
        var inquiry: UnboundInquiry
        var isClosed = false
        var lastSecureAnswer: ContinuousClock.Instant?
        var generation = 0
    }

    /// Opens a port of the transport on 127.0.0.1 for libunbound.
    package init(_ transport: DNSTransport, anchors: TrustAnchors) throws(UnboundSetupFailure) {
        let port: UInt16
        do {
            port = try transport.listen()
        } catch {
            throw .transport(error)
        }
        configuration = UnboundConfiguration(
            anchors: anchors, port: port, timeout: transport.settings.timeout)
        self.transport = transport
        state = Mutex(State(inquiry: try UnboundInquiry(configuration, over: transport)))
    }

    /// Reads the file now and never again.
    package convenience init(
        _ transport: DNSTransport, trustAnchorFile path: String = TrustAnchors.systemPath
    ) throws(UnboundSetupFailure) {
        let anchors: TrustAnchors
        do {
            anchors = try TrustAnchors.read(path: path)
        } catch {
            throw .trustAnchor(error)
        }
        try self.init(transport, anchors: anchors)
    }

    /// Forgets every zone's keys, the bad ones too. Nothing may call it on a schedule: it would give an attacker a moment
    /// at which to forge a key that is known already. Questions under way end by what is known. Takes some milliseconds and
    /// blocks for them; what it fails by changes nothing.
    package func forget() throws(UnboundSetupFailure) {
        let fresh = try UnboundInquiry(configuration, over: transport)
        state.withLock { state in
            if !state.isClosed { state.inquiry = fresh }
            state.lastSecureAnswer = nil
            state.generation += 1
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

    /// How often everything was forgotten: what was found out before says nothing any more.
    package var generation: Int { state.withLock(\.generation) }

    /// When an answer was last proven by signatures; `nil`: never yet. It shows that the servers let DNSSEC through.
    package var lastSecureAnswer: ContinuousClock.Instant? { state.withLock(\.lastSecureAnswer) }
}
