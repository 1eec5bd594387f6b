import CUnbound
import DNSClient
import Discovery
import Dispatch
import TextFormats

/// Sends questions to a libunbound context, and converts its results.
///
/// Concurrency: Any number of questions at once.
/// Errors: `DNSError`, within the time limit of the transport and `gracePeriod`.
/// Not here: the settings of the context (UnboundConfiguration).
struct UnboundQuery: Sendable {
    private let context: UnboundContext
    private let transport: DNSTransport
    private var timeout: Duration { transport.settings.timeout }

    /// libunbound reports a time-out of the transport with a short delay.
    private static let gracePeriod = Duration.milliseconds(100)

    init(_ configuration: UnboundConfiguration, over transport: DNSTransport) throws(UnboundSetupError) {
        self.transport = transport
        context = try UnboundContext(configuration: configuration.text)
    }

    func close() { context.close() }

    struct Answer {
        let parsed: ResponseParser.ParsedAnswer
        let isSecure: Bool
    }

    func ask(_ question: DNSQuestion) async throws(DNSError) -> Answer {
        do throws(QueryError) {
            return try await answer(to: question)
        } catch {
            throw DNSError(question: question, cause: error.cause, servers: transport.servers.map(\.description))
        }
    }

    private func answer(to question: DNSQuestion) async throws(QueryError) -> Answer {
        guard let name = WireName(text: question.name)
        else { throw QueryError(.resolver("\"\(question.name)\" cannot be encoded as a DNS name")) }
        let deadline = DispatchTime.now() + (timeout + Self.gracePeriod).dispatchInterval
        let (packet, verdict) = try await send(question.name, type: question.type, deadline: deadline)
        if case .bogus(let reason) = verdict {
            throw QueryError(.bogus(Self.logReason(bogus: reason)))
        }
        do throws(QueryError) {
            return Answer(
                parsed: try ResponseParser.parse(packet, for: question), isSecure: verdict == .secure)
        } catch {
            guard error.cause == .responseCode(2) else { throw error }
            // The transport knows the reason for a failure.
            switch transport.forwardingResult(of: name, type: question.type.rawValue) {
            case .failed(let cause): throw QueryError(cause)
            case .notSeen: throw QueryError(.local("libunbound could not send the query"))
            case .answered: break
            }
            guard question.type != .cname else { throw error }
            throw QueryError(await servfailCause(of: name, deadline: deadline))
        }
    }

    /// libunbound's reason for the log. It has one or two sentences, each with a name of at most 255 octets.
    static func logReason(bogus reason: String) -> String { UntrustedText.escaped(reason, limit: 600) }

    /// The cause of libunbound's SERVFAIL: too many aliases, or an unknown failure.
    private func servfailCause(of name: WireName, deadline: DispatchTime) async -> DNSError.Cause {
        var name = name
        var aliases = 0
        while let target = await alias(of: name, deadline: deadline) {
            aliases += 1
            guard aliases <= maximumAliases else { return .aliasChainTooLong }
            name = target
        }
        return Task.isCancelled ? .cancelled : .responseCode(2)
    }

    private func alias(of name: WireName, deadline: DispatchTime) async -> WireName? {
        guard let (packet, _) = try? await send(name.text, type: .cname, deadline: deadline) else { return nil }
        return ResponseParser.alias(of: name, packet: packet)
    }

    private func send(_ name: String, type: RecordType, deadline: DispatchTime) async throws(QueryError)
        -> ([UInt8], DNSSECVerdict)
    {
        switch await context.ask(name: name, type: type.rawValue, deadline: deadline) {
        case .packet(let bytes, let verdict): return (bytes, verdict)
        case .failed(let code): throw QueryError(.resolver(String(cString: ub_strerror(code))))
        case .timedOut: throw QueryError(.timedOut(after: timeout))
        case .cancelled: throw QueryError(.cancelled)
        }
    }
}

extension Duration {
    /// `.never` if the duration is too long.
    fileprivate var dispatchInterval: DispatchTimeInterval {
        let (seconds, attoseconds) = components
        let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return .never }
        return .nanoseconds(Int(nanoseconds) + Int(attoseconds / 1_000_000_000))
    }
}
