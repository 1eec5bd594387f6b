import CUnbound
import Discovery
import Dispatch

/// The resolver seam by libunbound, forwarding to the configured servers; without DNSSEC and without a cache.
///
/// Protocol: DNS over UDP, TCP after truncation, IPv4 and IPv6.
/// Concurrency: any number of questions at once. Cancelling the asking task ends its question only.
/// Fails by: `DNSFailure`, within `timeout`. libunbound makes SERVFAIL of every error answer (REFUSED, NOTIMP …) and of a
/// CNAME loop; a loop is told apart by asking for its aliases one by one, which only a failure costs.
/// Bugs: equal questions under way at the same moment share one upstream query (libunbound's mesh).
/// Not here: caching (PolicyService), what records mean (Discovery).
package final class UnboundResolver: Resolver {
    private let configuration: UnboundConfiguration
    private let context: UnboundContext
    private let servers: [String]

    package init(_ configuration: UnboundConfiguration) throws(UnboundSetupFailure) {
        guard !configuration.servers.isEmpty else { throw .noServers }
        self.configuration = configuration
        servers = configuration.servers.map(\.description)
        context = try UnboundContext(configuration: configuration.unboundConf)
    }

    /// Fails what is under way with `.cancelled`, and all that comes. Safe to call more than once.
    package func close() { context.close() }

    package func resolve(_ question: DNSQuestion) async throws(DNSFailure) -> DNSAnswer {
        do throws(Unanswered) {
            return try await answer(to: question)
        } catch {
            throw DNSFailure(question: question, cause: error.cause, servers: servers)
        }
    }

    private func answer(to question: DNSQuestion) async throws(Unanswered) -> DNSAnswer {
        guard let name = WireName(text: question.name)
        else { throw Unanswered(.resolver("\"\(question.name)\" cannot be encoded as a DNS name")) }
        let deadline = DispatchTime.now() + configuration.timeout.dispatchInterval
        let packet = try await ask(question.name, question.type.rawValue, deadline)
        do throws(Unanswered) {
            return try AnswerReading.answer(to: question, packet: packet)
        } catch {
            guard error.cause == .responseCode(2) else { throw error }
            throw Unanswered(await reason(name, deadline))
        }
    }

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
        guard let packet = try? await ask(name.text, DNSMessage.TypeCode.cname, deadline) else { return nil }
        return AnswerReading.alias(of: name, packet: packet)
    }

    private func ask(_ name: String, _ type: UInt16, _ deadline: DispatchTime) async throws(Unanswered) -> [UInt8] {
        switch await context.ask(name: name, type: type, deadline: deadline) {
        case .packet(let bytes): return bytes
        case .failed(let code): throw Unanswered(.resolver(String(cString: ub_strerror(code))))
        case .timedOut: throw Unanswered(.timedOut(after: configuration.timeout))
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
