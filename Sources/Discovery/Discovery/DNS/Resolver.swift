/// The interface to DNS: one question, one answer.
///
/// UnboundDNS and DNSClient implement it; tests use the fake `ScriptedResolver`.
///
/// Concurrency: Any number of questions at once, from any task. Cancelling a task cancels its own question only.
/// Limits: No cache. Each call asks the servers, so it sees a change at once.
package protocol Resolver: Sendable {
    /// - Throws: `DNSError` if there is no answer. A negative answer is an answer.
    func resolve(_ question: DNSQuestion) async throws(DNSError) -> DNSAnswer
}

/// The record types that this daemon queries or reads (RFC 1035 §3.2.2, §3.2.3, RFC 3596, RFC 4034 §2 and §5, RFC 6698 §7.1).
package enum RecordType: UInt16, Sendable {
    case a = 1
    case ns = 2
    case cname = 5
    case soa = 6
    case mx = 15
    case txt = 16
    case aaaa = 28
    case ds = 43
    case dnskey = 48
    case tlsa = 52
}

extension RecordType: CustomStringConvertible {
    package var description: String {
        switch self {
        case .a: "A"
        case .ns: "NS"
        case .cname: "CNAME"
        case .soa: "SOA"
        case .mx: "MX"
        case .txt: "TXT"
        case .aaaa: "AAAA"
        case .ds: "DS"
        case .dnskey: "DNSKEY"
        case .tlsa: "TLSA"
        }
    }
}

/// A name and a record type of class IN.
package struct DNSQuestion: Hashable, Sendable {
    /// ASCII without the final dot. Unlike a host name, it may contain underscores. The root is `.`.
    package let name: String
    package let type: RecordType

    package init(name: String, type: RecordType) {
        self.name = name
        self.type = type
    }
}

extension DNSQuestion: CustomStringConvertible {
    package var description: String { "\(name) \(type)" }
}

/// A positive or negative answer of the servers.
package struct DNSAnswer: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        /// The record data (RDATA) of the whole RRset in wire form, one element for each record. Never empty.
        case records([[UInt8]])
        /// The name exists, but has no record of this type (NODATA, RFC 2308 §2.2).
        case noData
        /// The name does not exist (NXDOMAIN, RFC 2308 §2.1).
        case nameError
    }

    package let question: DNSQuestion
    package let content: Content
    /// Seconds. The smallest TTL of the records, including CNAMEs. For a negative answer the TTL of the SOA
    /// (RFC 2308 §5), or 0 without a SOA.
    package let timeToLive: UInt32
    /// The number of CNAMEs before the records.
    package let aliases: Int

    package init(question: DNSQuestion, content: Content, timeToLive: UInt32, aliases: Int = 0) {
        self.question = question
        self.content = content
        self.timeToLive = timeToLive
        self.aliases = aliases
    }
}

extension DNSAnswer.Content: CustomStringConvertible {
    package var description: String {
        switch self {
        case .records(let data): data.count == 1 ? "1 record" : "\(data.count) records"
        case .noData: "no such record (NODATA)"
        case .nameError: "no such name (NXDOMAIN)"
        }
    }
}

/// The maximum number of CNAMEs in a chain. A longer chain, or a loop, is an error. RFC 8461 has no limit; Momentum
/// documents 5, and resolvers stop at about 11.
package let maximumAliases = 8
