import Discovery

/// Why a query got no answer. The caller adds question and servers and throws a `DNSFailure`.
package struct QueryError: Error, Equatable {
    package let cause: DNSFailure.Cause

    package init(_ cause: DNSFailure.Cause) { self.cause = cause }
}

/// Reads what a response says about a question.
///
/// Protocol: RFC 1034 §3.6.2 (aliases), RFC 2308 §2 and §5 (negative answers).
/// Concurrency: pure functions.
/// Errors: `QueryError`.
/// Not here: what the RDATA means (Discovery).
package enum ResponseParser {
    private static let classIN: UInt16 = 1

    /// An answer, and where the aliases led.
    package struct ParsedAnswer: Equatable {
        package let answer: DNSAnswer
        /// As in `ValidatedAnswer`.
        package let canonicalName: String
        /// Where the alias chain ends, if the response says nothing about that name: neither records nor an SOA that
        /// denies them. A recursive server sends whole chains; of others the rest has to be asked for. Then `answer` has
        /// the TTL of the chain and no content.
        package let unansweredAlias: WireName?
    }

    /// Reads the response in `packet`. Aliases are followed within it.
    ///
    /// The TTL is computed here and not taken from `ub_result.ttl`: that is the least TTL of all records of a
    /// negative message whatever their section, and clamped by process-wide limits of libunbound.
    package static func parse(_ packet: [UInt8], for question: DNSQuestion) throws(QueryError) -> ParsedAnswer {
        try parse(parsed(packet), for: question)
    }

    /// The same for a response that is parsed already.
    ///
    /// - Parameter alias: where an earlier response's aliases led, and what the message is about; `nil`: the question's own
    ///   name.
    package static func parse(
        _ message: DNSMessage, for question: DNSQuestion, at alias: WireName? = nil
    ) throws(QueryError) -> ParsedAnswer {
        guard !message.isTruncated else { throw QueryError(.malformedAnswer("truncated")) }
        guard message.responseCode == 0 || message.responseCode == 3 else {
            throw QueryError(.responseCode(message.responseCode))
        }
        guard var name = alias ?? WireName(text: question.name) else {
            throw QueryError(.resolver("\(question.name) is not a DNS name"))
        }

        var aliases = 0
        var timeToLive = UInt32.max
        // The question for an alias is answered by the alias itself.
        while question.type != .cname, let alias = record(of: DNSMessage.TypeCode.cname, at: name, in: message.answers),
            let target = alias.target
        {
            aliases += 1
            guard aliases <= maximumAliases else { throw QueryError(.aliasChainTooLong) }
            timeToLive = min(timeToLive, alias.timeToLive)
            name = target
        }

        var data: [[UInt8]] = []
        for record in message.answers where matches(record, question.type.rawValue, name) {
            timeToLive = min(timeToLive, record.timeToLive)
            data.append(record.data)
        }
        let hasSOA = message.authority.contains { $0.type == DNSMessage.TypeCode.soa }
        let isUnanswered = aliases > 0 && data.isEmpty && message.responseCode == 0 && !hasSOA
        if data.isEmpty, aliases == 0, message.responseCode == 0, !message.answers.isEmpty, !hasSOA {
            throw QueryError(.malformedAnswer("only records that were not asked for"))
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

    /// The target of the CNAME at `name`, `nil` when the response shows none.
    package static func alias(of name: WireName, packet: [UInt8]) -> WireName? {
        guard let message = try? DNSMessage(packet) else { return nil }
        return record(of: DNSMessage.TypeCode.cname, at: name, in: message.answers)?.target
    }

    private static func parsed(_ packet: [UInt8]) throws(QueryError) -> DNSMessage {
        do {
            return try DNSMessage(packet)
        } catch {
            throw QueryError(.malformedAnswer(error.description))
        }
    }

    private static func matches(_ record: DNSMessage.Record, _ type: UInt16, _ name: WireName) -> Bool {
        record.type == type && record.recordClass == classIN && record.owner == name
    }

    private static func record(of type: UInt16, at name: WireName, in section: [DNSMessage.Record])
        -> DNSMessage.Record?
    {
        section.first { matches($0, type, name) }
    }

    /// RFC 2308 §5: the lesser of the SOA's own TTL and its MINIMUM; without an SOA nothing may be kept.
    private static func negativeTimeToLive(_ message: DNSMessage) -> UInt32 {
        guard let soa = message.authority.first(where: { $0.type == DNSMessage.TypeCode.soa }),
            let minimum = soa.minimum
        else { return 0 }
        return min(soa.timeToLive, minimum)
    }
}
