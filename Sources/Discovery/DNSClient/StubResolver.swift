import Discovery

/// Answers questions from the configured recursive servers, without validation and without a cache.
///
/// Protocol: RFC 1034 §5.3.1 (stub resolver), RFC 6891 (EDNS, and servers without it).
/// Concurrency: Any number of questions at once. Cancelling a task cancels its own question only.
/// Errors: `DNSError`, within the time limit of the transport, which covers all aliases and retries.
/// Not here: servers, retransmission and fail-over (DNSTransport), caching (PolicyCaching).
package struct StubResolver: Resolver {
    private let transport: DNSTransport

    package init(_ transport: DNSTransport) {
        self.transport = transport
    }

    package func resolve(_ question: DNSQuestion) async throws(DNSError) -> DNSAnswer {
        let deadline = ContinuousClock.now + transport.settings.timeout
        do throws(QueryError) {
            return try await answer(to: question, until: deadline)
        } catch {
            throw DNSError(question: question, cause: error.cause, servers: transport.servers.map(\.description))
        }
    }

    /// If an answer has a part of the alias chain only, another query gets the rest.
    private func answer(
        to question: DNSQuestion, until deadline: ContinuousClock.Instant
    ) async throws(QueryError) -> DNSAnswer {
        guard var name = WireName(text: question.name)
        else { throw QueryError(.resolver("\"\(question.name)\" cannot be encoded as a DNS name")) }
        var aliases = 0
        var timeToLive = UInt32.max
        while true {
            let message = try await ask(name, type: question.type, until: deadline)
            let part = try ResponseParser.parse(message, for: question, at: name)
            aliases += part.answer.aliases
            guard aliases <= maximumAliases else { throw QueryError(.aliasChainTooLong) }
            timeToLive = min(timeToLive, part.answer.timeToLive)
            guard let rest = part.unansweredAlias else {
                return DNSAnswer(
                    question: question, content: part.answer.content, timeToLive: timeToLive, aliases: aliases)
            }
            name = rest
        }
    }

    private func ask(
        _ name: WireName, type: RecordType, until deadline: ContinuousClock.Instant
    ) async throws(QueryError) -> DNSMessage {
        do throws(QueryError) {
            return try await transport.ask(DNSQuery(name: name, type: type.rawValue), until: deadline)
        } catch {
            // FORMERR and NOTIMP may be due to EDNS (RFC 6891 §7).
            guard error.cause == .responseCode(1) || error.cause == .responseCode(4) else { throw error }
            let query = DNSQuery(name: name, type: type.rawValue, usesEDNS: false)
            return try await transport.ask(query, until: deadline)
        }
    }
}
