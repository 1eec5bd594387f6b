import MTASTS

/// What Postfix hears, before it is written in a protocol and a dialect.
package enum TableReply: Equatable, Sendable {
    /// No opinion: the site's own level stays in force.
    case notFound
    /// A TLS policy for this destination.
    case entry(TLSPolicyEntry)
    /// Ask again later; Postfix defers the mail and logs the reason (over tcp_table it does not log it).
    case temporary(Reason)
    /// The request was malformed; the connection ends after this.
    case refused(Reason)
}

/// How a reply fits into what Postfix takes.
package enum ReplyFit: Equatable, Sendable {
    case whole
    /// It was said in a shorter dialect: without the words for TLS reports and the exact comparison of MX host names.
    case shortened
    /// Too long in any dialect: a temporary error was said instead.
    case tooLong
}

/// Why an answer is a temporary error: what the operator reads in the mail log.
///
/// At most 200 printable ASCII characters, Postfix's own limit; anything else in it is escaped.
package struct Reason: Hashable, Sendable {
    package let text: String

    /// Characters; Postfix logs no more of it.
    package static let maximumLength = 200

    package init(_ text: String) {
        let printable = RemoteText.printable(text, limit: Self.maximumLength - RemoteText.cutMark.utf8.count)
        // An empty reason would read as a reply without one.
        self.text = printable.isEmpty ? "no reason known" : printable
    }
}
