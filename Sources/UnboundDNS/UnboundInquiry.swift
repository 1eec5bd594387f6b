import CUnbound
import DNSClient
import Discovery
import Dispatch
import MTASTS

/// One validated question to a context, from name to answer.
///
/// Concurrency: any number of questions at once.
/// Errors: `DNSFailure`, within the transport's time-out and `grace`.
/// Not here: what the context is set up for (UnboundConfiguration).
struct UnboundInquiry: Sendable {
    private let context: UnboundContext
    private let transport: DNSTransport
    private var timeout: Duration { transport.settings.timeout }

    /// The transport gives up a query at the time-out, and libunbound reports that a moment later.
    private static let grace = Duration.milliseconds(100)

    init(_ configuration: UnboundConfiguration, over transport: DNSTransport) throws(UnboundSetupFailure) {
        self.transport = transport
        context = try UnboundContext(configuration: configuration.text)
    }

    func close() { context.close() }

    struct Outcome {
        let reading: ResponseParser.ParsedAnswer
        let isSecure: Bool
    }

    func ask(_ question: DNSQuestion) async throws(DNSFailure) -> Outcome {
        do throws(QueryError) {
            return try await outcome(question)
        } catch {
            throw DNSFailure(question: question, cause: error.cause, servers: transport.servers.map(\.description))
        }
    }

    private func outcome(_ question: DNSQuestion) async throws(QueryError) -> Outcome {
        guard let name = WireName(text: question.name)
        else { throw QueryError(.resolver("\"\(question.name)\" cannot be encoded as a DNS name")) }
        let deadline = DispatchTime.now() + (timeout + Self.grace).dispatchInterval
        let (packet, verdict) = try await ask(question.name, question.type.rawValue, deadline)
        if case .bogus(let why) = verdict {
            throw QueryError(.bogus(Self.reason(bogus: why)))
        }
        do throws(QueryError) {
            return Outcome(
                reading: try ResponseParser.parse(packet, for: question), isSecure: verdict == .secure)
        } catch {
            guard error.cause == .responseCode(2) else { throw error }
            // The transport knows why it gave libunbound no answer.
            switch transport.forwardingResult(of: name, type: question.type.rawValue) {
            case .failed(let cause): throw QueryError(cause)
            case .notSeen: throw QueryError(.local("libunbound could not send the query"))
            case .answered: break
            }
            guard question.type != .cname else { throw error }
            throw QueryError(await reason(name, deadline))
        }
    }

    /// libunbound's words, fit for a log. They are a sentence or two with a name of at most 255 octets each.
    static func reason(bogus why: String) -> String { RemoteText.escaped(why, limit: 600) }

    /// What is behind libunbound's SERVFAIL: too many aliases, or a failure that it keeps to itself.
    private func reason(_ name: WireName, _ deadline: DispatchTime) async -> DNSFailure.Cause {
        var name = name
        var aliases = 0
        while let target = await alias(of: name, deadline) {
            aliases += 1
            guard aliases <= maximumAliases else { return .aliasChainTooLong }
            name = target
        }
        return Task.isCancelled ? .cancelled : .responseCode(2)
    }

    private func alias(of name: WireName, _ deadline: DispatchTime) async -> WireName? {
        guard let (packet, _) = try? await ask(name.text, DNSMessage.TypeCode.cname, deadline) else { return nil }
        return ResponseParser.alias(of: name, packet: packet)
    }

    private func ask(_ name: String, _ type: UInt16, _ deadline: DispatchTime) async throws(QueryError)
        -> ([UInt8], DNSSECVerdict)
    {
        switch await context.ask(name: name, type: type, deadline: deadline) {
        case .packet(let bytes, let verdict): return (bytes, verdict)
        case .failed(let code): throw QueryError(.resolver(String(cString: ub_strerror(code))))
        case .timedOut: throw QueryError(.timedOut(after: timeout))
        case .cancelled: throw QueryError(.cancelled)
        }
    }
}

extension Duration {
    /// Saturating: a time-out of centuries is for ever.
    fileprivate var dispatchInterval: DispatchTimeInterval {
        let (seconds, attoseconds) = components
        let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return .never }
        return .nanoseconds(Int(nanoseconds) + Int(attoseconds / 1_000_000_000))
    }
}
