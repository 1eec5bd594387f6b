/// The seam to DNS: one question, one answer.
///
/// Real: UnboundDNS. Twin: `ScriptedResolver` of the tests.
/// Concurrency: any number of questions at once, from any task. Cancelling the task cancels its question only.
/// Caching: none. Each call asks the servers, so that a change is seen and a forced refresh is one.
package protocol Resolver: Sendable {
    /// - Throws: `DNSFailure` where nothing was found out. "There is none" is an answer, never thrown.
    func resolve(_ question: DNSQuestion) async throws(DNSFailure) -> DNSAnswer
}

/// The record types that discovery and the DNSSEC probe ask for (RFC 1035 §3.2.2, RFC 3596, RFC 4034 §2, RFC 6698 §7.1).
package enum RecordType: UInt16, Sendable {
    case a = 1
    case ns = 2
    case cname = 5
    case mx = 15
    case txt = 16
    case aaaa = 28
    case dnskey = 48
    case tlsa = 52
}

/// A name and a type, class IN.
package struct DNSQuestion: Hashable, Sendable {
    /// A name in ASCII without the final dot; it may hold underscores, unlike a host name. The root is `.`.
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

extension RecordType: CustomStringConvertible {
    package var description: String {
        switch self {
        case .a: "A"
        case .ns: "NS"
        case .cname: "CNAME"
        case .mx: "MX"
        case .txt: "TXT"
        case .aaaa: "AAAA"
        case .dnskey: "DNSKEY"
        case .tlsa: "TLSA"
        }
    }
}

/// What the servers said for sure.
package struct DNSAnswer: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        /// The record data (RDATA) of the whole RRset, one element a record, in wire form. Never empty.
        case records([[UInt8]])
        /// The name exists, this type does not (NODATA, RFC 2308 §2.2).
        case noData
        /// The name does not exist (NXDOMAIN, RFC 2308 §2.1).
        case nameError
    }

    package let question: DNSQuestion
    package let content: Content
    /// Seconds for which the answer may be kept: the least TTL of its records, CNAMEs included; of a negative answer
    /// the SOA's (RFC 2308 §5), 0 when there was no SOA.
    package let timeToLive: UInt32
    /// How many CNAMEs were followed to reach the records.
    package let aliases: Int

    package init(question: DNSQuestion, content: Content, timeToLive: UInt32, aliases: Int = 0) {
        self.question = question
        self.content = content
        self.timeToLive = timeToLive
        self.aliases = aliases
    }
}

/// The longest chain of CNAMEs that is followed; a longer one, or a loop, is a failure (RFC 8461 gives no number;
/// Momentum documents 5, resolvers stop at about 11).
package let maximumAliases = 8

/// Could not find out. Names the query, the cause and the servers, for the operator to read in the mail log.
package struct DNSFailure: Error, Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
        /// No answer within the time for one query with all its servers and retries.
        case timedOut(after: Duration)
        /// The servers answered with an error: SERVFAIL (2), REFUSED (5), …
        case responseCode(UInt8)
        /// More than `maximumAliases` CNAMEs, or a loop of them.
        case aliasChainTooLong
        /// An answer whose bytes are not what the type demands.
        case malformedAnswer(String)
        /// Signed, and the signatures do not hold (RFC 4035 §4.3). libunbound's reason.
        case bogus(String)
        /// The resolver itself failed: out of memory, a name it cannot encode.
        case resolver(String)
        /// The question was not sent, or not kept, because of this host: no descriptor, no route to a server, too many
        /// questions at once. It says nothing about the name.
        case local(String)
        /// The asking task was cancelled: the daemon is stopping.
        case cancelled
        /// The question is still open, and the lookup does not wait for its answer any longer. No resolver throws this.
        case unfinished
    }

    package let question: DNSQuestion
    package let cause: Cause
    /// The servers that were configured, as `ip` or `ip@port`.
    package let servers: [String]

    package init(question: DNSQuestion, cause: Cause, servers: [String]) {
        self.question = question
        self.cause = cause
        self.servers = servers
    }
}

extension DNSFailure: CustomStringConvertible {
    /// One line: `_mta-sts.example.com TXT: SERVFAIL (servers 192.0.2.1, 192.0.2.2)`.
    package var description: String { "\(question): \(reason)" }

    /// Whether this host failed, not a server. The next question may succeed at once.
    package var isLocal: Bool {
        guard case .local = cause else { return false }
        return true
    }

    /// The same without the question.
    package var reason: String {
        servers.isEmpty ? "\(cause)" : "\(cause) (servers \(servers.joined(separator: ", ")))"
    }
}

extension DNSFailure.Cause: CustomStringConvertible {
    package var description: String {
        switch self {
        case .timedOut(let limit): "no answer within \(limit.inSeconds)"
        case .responseCode(let code): Self.responseCodeNames[code] ?? "response code \(code)"
        case .aliasChainTooLong: "more than \(maximumAliases) CNAMEs in a row"
        case .malformedAnswer(let what): "malformed answer: \(what)"
        case .bogus(let why): "bogus: \(why)"
        case .resolver(let what): "resolver error: \(what)"
        case .local(let what): "local error: \(what)"
        case .cancelled: "cancelled"
        case .unfinished: "not answered yet"
        }
    }

    /// RFC 1035 §4.1.1, RFC 2136 §2.2.
    private static let responseCodeNames: [UInt8: String] = [
        1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH",
    ]
}
