import TextFormats

/// A DNS query has no answer. The description names the query, the cause and the servers for the mail log.
package struct DNSError: Error, Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
        /// No answer within the time limit of the query, which covers all servers and retries.
        case timedOut(after: Duration)
        /// The servers answered with an error: SERVFAIL (2), REFUSED (5), …
        case responseCode(UInt8)
        /// More than `maximumAliases` CNAMEs, or a loop.
        case aliasChainTooLong
        /// The record data does not match its type.
        case malformedAnswer(String)
        /// The DNSSEC signatures are wrong (RFC 4035 §4.3). The reason is libunbound's.
        case bogus(String)
        /// The resolver itself failed: out of memory, a name that it cannot encode.
        case resolver(String)
        /// This host failed: no file descriptor, no route to a server, too many queries at once. The next query may succeed.
        case local(String)
        /// The calling task was cancelled because the daemon stops.
        case cancelled
        /// The query still runs, but the lookup no longer waits for it. No resolver throws this.
        case unfinished
    }

    package let question: DNSQuestion
    package let cause: Cause
    /// The configured servers, as `ip` or `ip@port`.
    package let servers: [String]

    package init(question: DNSQuestion, cause: Cause, servers: [String]) {
        self.question = question
        self.cause = cause
        self.servers = servers
    }

    /// Whether this host failed, not a server. The next query may succeed at once.
    package var isLocal: Bool {
        guard case .local = cause else { return false }
        return true
    }
}

extension DNSError: CustomStringConvertible {
    /// One line: `_mta-sts.example.com TXT: SERVFAIL (servers 192.0.2.1, 192.0.2.2)`.
    package var description: String { "\(question): \(reason)" }

    /// The description without the question.
    package var reason: String {
        servers.isEmpty ? "\(cause)" : "\(cause) (servers \(servers.joined(separator: ", ")))"
    }
}

extension DNSError.Cause: CustomStringConvertible {
    package var description: String {
        switch self {
        case .timedOut(let limit): "no answer within \(limit.inSeconds)"
        case .responseCode(let code): Self.responseCodeNames[code] ?? "response code \(code)"
        case .aliasChainTooLong: "more than \(maximumAliases) CNAMEs in a row"
        case .malformedAnswer(let reason): "malformed answer: \(reason)"
        case .bogus(let reason): "bogus: \(reason)"
        case .resolver(let reason): "resolver error: \(reason)"
        case .local(let reason): "local error: \(reason)"
        case .cancelled: "cancelled"
        case .unfinished: "not answered yet"
        }
    }

    /// RFC 1035 §4.1.1, RFC 2136 §2.2.
    private static let responseCodeNames: [UInt8: String] = [
        1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH",
    ]
}
