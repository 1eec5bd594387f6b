import Discovery

/// A cause of failure on its way to the `DNSFailure` that names question and servers.
struct Unanswered: Error, Equatable {
    let cause: DNSFailure.Cause

    init(_ cause: DNSFailure.Cause) { self.cause = cause }
}

/// What a response says about a question.
///
/// Protocol: RFC 1034 §3.6.2 (aliases), RFC 2308 §2 and §5 (negative answers).
/// Concurrency: pure functions.
/// Fails by: `Unanswered`, a `DNSFailure.Cause` on its way up.
/// Not here: what the RDATA means (Discovery).
enum AnswerReading {
    private static let classIN: UInt16 = 1

    /// Reads the response in `packet`; aliases are followed within it, since libunbound hands over whole chains.
    ///
    /// The TTL is counted here, not taken from `ub_result.ttl`: that is the least TTL of all records of a
    /// negative message whatever their section, and clamped by process-wide limits of the library.
    static func answer(to question: DNSQuestion, packet: [UInt8]) throws(Unanswered) -> DNSAnswer {
        try reading(of: packet, for: question).answer
    }

    /// An answer, and where the aliases led.
    struct Reading: Equatable {
        let answer: DNSAnswer
        /// As in `ValidatedAnswer`.
        let canonicalName: String
    }

    /// `answer`, with the canonical name.
    static func reading(of packet: [UInt8], for question: DNSQuestion) throws(Unanswered) -> Reading {
        let message = try parsed(packet)
        guard !message.isTruncated else { throw Unanswered(.malformedAnswer("truncated")) }
        guard message.responseCode == 0 || message.responseCode == 3 else {
            throw Unanswered(.responseCode(message.responseCode))
        }
        guard var name = WireName(text: question.name) else {
            throw Unanswered(.resolver("\(question.name) is not a DNS name"))
        }

        var aliases = 0
        var timeToLive = UInt32.max
        // The question for an alias is answered by the alias itself.
        while question.type != .cname, let alias = record(of: DNSMessage.TypeCode.cname, at: name, in: message.answers),
            let target = alias.target
        {
            aliases += 1
            guard aliases <= maximumAliases else { throw Unanswered(.aliasChainTooLong) }
            timeToLive = min(timeToLive, alias.timeToLive)
            name = target
        }

        var data: [[UInt8]] = []
        for record in message.answers where matches(record, question.type.rawValue, name) {
            timeToLive = min(timeToLive, record.timeToLive)
            try check(record.data, type: question.type)
            data.append(record.data)
        }
        let content: DNSAnswer.Content
        if data.isEmpty {
            timeToLive = min(timeToLive, negativeTimeToLive(message))
            content = message.responseCode == 3 ? .nameError : .noData
        } else {
            content = .records(data)
        }
        return Reading(
            answer: DNSAnswer(question: question, content: content, timeToLive: timeToLive, aliases: aliases),
            canonicalName: aliases == 0 ? question.name : name.text)
    }

    /// The target of the CNAME at `name`, `nil` when the response shows none.
    static func alias(of name: WireName, packet: [UInt8]) -> WireName? {
        guard let message = try? DNSMessage(packet) else { return nil }
        return record(of: DNSMessage.TypeCode.cname, at: name, in: message.answers)?.target
    }

    private static func parsed(_ packet: [UInt8]) throws(Unanswered) -> DNSMessage {
        do {
            return try DNSMessage(packet)
        } catch {
            throw Unanswered(.malformedAnswer(error.description))
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

    /// Addresses have their size (RFC 1035 §3.4.1, RFC 3596 §2.2); TXT is one or more whole strings (§3.3.14). The names of
    /// CNAME and MX were read with the message. What a TLSA record of any length is worth is not this room's to say; of NS
    /// and DNSKEY only the DNSSEC verdict matters.
    private static func check(_ data: [UInt8], type: RecordType) throws(Unanswered) {
        switch type {
        case .a where data.count == 4, .aaaa where data.count == 16: return
        case .ns, .cname, .mx, .dnskey, .tlsa: return
        case .a, .aaaa: throw Unanswered(.malformedAnswer("\(type) of \(data.count) octets"))
        case .txt:
            var position = 0
            while position < data.count { position += 1 + Int(data[position]) }
            guard position == data.count, !data.isEmpty
            else { throw Unanswered(.malformedAnswer("TXT that is not a row of strings")) }
        }
    }
}
