import CUnbound
import Discovery
import Dispatch
import MTASTS

/// One question to a context, from name to answer: what the plain and the validating resolver have in common.
///
/// Concurrency: any number of questions at once.
/// Fails by: `DNSFailure`, within the configured time.
/// Not here: what the context is set up for (UnboundConfiguration).
struct UnboundInquiry: Sendable {
    private let context: UnboundContext
    private let timeout: Duration
    private let servers: [String]

    init(_ configuration: UnboundConfiguration, unboundConf: String) throws(UnboundSetupFailure) {
        guard !configuration.servers.isEmpty else { throw .noServers }
        timeout = configuration.timeout
        servers = configuration.servers.map(\.description)
        context = try UnboundContext(configuration: unboundConf)
    }

    func close() { context.close() }

    struct Outcome {
        let reading: AnswerReading.Reading
        let isSecure: Bool
    }

    func ask(_ question: DNSQuestion) async throws(DNSFailure) -> Outcome {
        do throws(Unanswered) {
            return try await outcome(question)
        } catch {
            throw DNSFailure(question: question, cause: error.cause, servers: servers)
        }
    }

    private func outcome(_ question: DNSQuestion) async throws(Unanswered) -> Outcome {
        guard let name = WireName(text: question.name)
        else { throw Unanswered(.resolver("\"\(question.name)\" cannot be encoded as a DNS name")) }
        let deadline = DispatchTime.now() + timeout.dispatchInterval
        let (packet, verdict) = try await ask(question.name, question.type.rawValue, deadline)
        if case .bogus(let why) = verdict {
            throw Unanswered(.bogus(Self.reason(bogus: why)))
        }
        do throws(Unanswered) {
            return Outcome(
                reading: try AnswerReading.reading(of: packet, for: question), isSecure: verdict == .secure)
        } catch {
            guard error.cause == .responseCode(2), question.type != .cname else { throw error }
            throw Unanswered(await reason(name, deadline))
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
        return AnswerReading.alias(of: name, packet: packet)
    }

    private func ask(_ name: String, _ type: UInt16, _ deadline: DispatchTime) async throws(Unanswered)
        -> ([UInt8], DNSSECVerdict)
    {
        switch await context.ask(name: name, type: type, deadline: deadline) {
        case .packet(let bytes, let verdict): return (bytes, verdict)
        case .failed(let code): throw Unanswered(.resolver(String(cString: ub_strerror(code))))
        case .timedOut: throw Unanswered(.timedOut(after: timeout))
        case .cancelled: throw Unanswered(.cancelled)
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
