import DNSClient
import Discovery
import Synchronization

/// Validates answers using libunbound, from the trust anchor down.
///
/// It does not cache answers. It caches the validated keys of a zone for their TTL, so that the next question of the zone
/// needs one query. `forgetKeys` removes them.
///
/// Protocol: DNSSEC (RFC 4033 to 4035, RFC 5155) over the transport of the plain resolver, with the same servers,
/// retransmission and fail-over. It ignores the servers' AD bit (RFC 7672 §2.1.1); the servers only pass the signatures on.
/// Concurrency: Any number of questions at once. Cancelling a task cancels its own question only.
/// Limits: If the DS or DNSKEY query of a zone fails, the zone and everything below it is bogus for a minute (libunbound's
/// fixed BOGUS_KEY_TTL). The reason distinguishes a failed server from one that strips DNSSEC, but not in a fixed form.
/// Errors: `DNSError`, within one `timeout` for the answer and all its keys. `.bogus` contains libunbound's reason.
/// Not here: the use of secure and insecure answers (Discovery, DANE).
package final class UnboundValidator: ValidatingResolver {
    private let configuration: UnboundConfiguration
    private let transport: DNSTransport
    private let state: Mutex<State>

    private struct State {
        var query: UnboundQuery
        var isClosed = false
        var lastSecureAnswer: ContinuousClock.Instant?
        var generation = 0
    }

    /// Opens a port of the transport on 127.0.0.1 for libunbound.
    package init(_ transport: DNSTransport, anchors: TrustAnchors) throws(UnboundSetupError) {
        let port: UInt16
        do {
            port = try transport.listen()
        } catch {
            throw .transport(error)
        }
        configuration = UnboundConfiguration(
            anchors: anchors, port: port, timeout: transport.settings.timeout)
        self.transport = transport
        state = Mutex(State(query: try UnboundQuery(configuration, over: transport)))
    }

    /// Reads the file once, now.
    package convenience init(
        _ transport: DNSTransport, trustAnchorFile path: String = TrustAnchors.systemPath
    ) throws(UnboundSetupError) {
        let anchors: TrustAnchors
        do {
            anchors = try TrustAnchors.read(path: path)
        } catch {
            throw .trustAnchor(error)
        }
        try self.init(transport, anchors: anchors)
    }

    /// Forgets the keys of all zones, valid and bogus. An error has no effect. It blocks for some milliseconds. Open questions
    /// continue with the old keys.
    ///
    /// Never call it on a schedule: an attacker could use that moment to forge a known key.
    package func forgetKeys() throws(UnboundSetupError) {
        let newQuery = try UnboundQuery(configuration, over: transport)
        state.withLock { state in
            if !state.isClosed { state.query = newQuery }
            state.lastSecureAnswer = nil
            state.generation += 1
        }
    }

    /// Ends open and later questions with `.cancelled`. Questions from before a `forgetKeys` end within `timeout`. It may be
    /// called again.
    package func close() {
        let query = state.withLock { state in
            state.isClosed = true
            return state.query
        }
        query.close()
    }

    package func resolveValidated(_ question: DNSQuestion) async throws(DNSError) -> ValidatedAnswer {
        let query = state.withLock(\.query)
        let answer = try await query.ask(question)
        if answer.isSecure { state.withLock { $0.lastSecureAnswer = .now } }
        return ValidatedAnswer(
            answer.parsed.answer, isSecure: answer.isSecure, canonicalName: answer.parsed.canonicalName)
    }

    /// The number of calls of `forgetKeys`. Results of an earlier generation are obsolete.
    package var generation: Int { state.withLock(\.generation) }

    /// The time of the last secure answer, which proves that DNSSEC works with the servers; `nil` for never.
    package var lastSecureAnswer: ContinuousClock.Instant? { state.withLock(\.lastSecureAnswer) }
}
