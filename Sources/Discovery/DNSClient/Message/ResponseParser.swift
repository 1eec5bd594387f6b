import Discovery

/// A query has no answer. The caller adds question and servers, and throws a `DNSError`.
package struct QueryError: Error, Equatable {
    package let cause: DNSError.Cause

    package init(_ cause: DNSError.Cause) { self.cause = cause }
}

/// Finds the answer to a question in a response.
///
/// Protocol: RFC 1034 §3.6.2 (aliases), RFC 2308 §2 and §5 (negative answers).
/// Errors: `QueryError`.
/// Not here: the meaning of RDATA (Discovery).
package enum ResponseParser {
    private static let classIN: UInt16 = 1

    /// An answer and the end of its alias chain.
    package struct ParsedAnswer: Equatable {
        package let answer: DNSAnswer
        /// As in `ValidatedAnswer`.
        package let canonicalName: String
        /// The end of the alias chain, if the response has neither records of that name nor an SOA that denies them. A
        /// recursive server sends whole chains; others need another query for the rest. Then `answer` has the TTL of the
        /// chain and no content.
        package let unansweredAlias: WireName?
    }

    /// Parses the response in `packet` and follows aliases in it.
    ///
    /// It computes the TTL itself. `ub_result.ttl` is the smallest TTL of all records of a negative message in any section,
    /// clamped by process-wide limits of libunbound.
    package static func parse(_ packet: [UInt8], for question: DNSQuestion) throws(QueryError) -> ParsedAnswer {
        try parse(parsed(packet), for: question)
    }

    /// Finds the answer in a parsed response.
    ///
    /// - Parameter alias: The end of the aliases of an earlier response, which is the name of this query. `nil` means the
    ///   name of the question.
    package static func parse(
        _ message: DNSMessage, for question: DNSQuestion, at alias: WireName? = nil
    ) throws(QueryError) -> ParsedAnswer {
        guard !message.isTruncated else { throw QueryError(.malformedAnswer("truncated")) }
        guard message.responseCode == 0 || message.responseCode == 3 else {
            throw QueryError(.responseCode(message.responseCode))
        }
        guard var name = alias ?? WireName(text: question.name) else {
            throw QueryError(.resolver("\"\(question.name)\" cannot be encoded as a DNS name"))
        }

        var aliases = 0
        var timeToLive = UInt32.max
        // The answer to a CNAME question is the CNAME itself.
        while question.type != .cname, let alias = record(of: .cname, at: name, in: message.answers),
            let target = alias.target
        {
            aliases += 1
            guard aliases <= maximumAliases else { throw QueryError(.aliasChainTooLong) }
            timeToLive = min(timeToLive, alias.timeToLive)
            name = target
        }

        var data: [[UInt8]] = []
        for record in message.answers where matches(record, type: question.type, name: name) {
            timeToLive = min(timeToLive, record.timeToLive)
            data.append(record.data)
        }
        let hasSOA = message.authority.contains { $0.type == RecordType.soa.rawValue }
        let isUnanswered = aliases > 0 && data.isEmpty && message.responseCode == 0 && !hasSOA
        if data.isEmpty, aliases == 0, message.responseCode == 0, !message.answers.isEmpty, !hasSOA {
            throw QueryError(.malformedAnswer("only records of other names or types"))
        }
        let content: DNSAnswer.Content
        if data.isEmpty {
            if !isUnanswered { timeToLive = min(timeToLive, negativeTimeToLive(message)) }
            content = message.responseCode == 3 ? .nameError : .noData
        } else {
            content = .records(data)
        }
        return ParsedAnswer(
            answer: DNSAnswer(question: question, content: content, timeToLive: timeToLive, aliases: aliases),
            canonicalName: aliases == 0 ? question.name : name.text,
            unansweredAlias: isUnanswered ? name : nil)
    }

    /// The target of the CNAME at `name`; `nil` if the response has none.
    package static func alias(of name: WireName, packet: [UInt8]) -> WireName? {
        guard let message = try? DNSMessage(packet) else { return nil }
        return record(of: .cname, at: name, in: message.answers)?.target
    }

    private static func parsed(_ packet: [UInt8]) throws(QueryError) -> DNSMessage {
        do {
            return try DNSMessage(packet)
        } catch {
            throw QueryError(.malformedAnswer(error.description))
        }
    }

    private static func matches(_ record: DNSMessage.Record, type: RecordType, name: WireName) -> Bool {
        record.type == type.rawValue && record.recordClass == classIN && record.owner == name
    }

    private static func record(of type: RecordType, at name: WireName, in section: [DNSMessage.Record])
        -> DNSMessage.Record?
    {
        section.first { matches($0, type: type, name: name) }
    }

    /// The smaller of the SOA's TTL and its MINIMUM; without an SOA no caching is allowed (RFC 2308 §5).
    private static func negativeTimeToLive(_ message: DNSMessage) -> UInt32 {
        guard let soa = message.authority.first(where: { $0.type == RecordType.soa.rawValue }),
            let minimum = soa.minimum
        else { return 0 }
        return min(soa.timeToLive, minimum)
    }
}
