import TextFormats

/// A reply to Postfix, before it is written in a protocol and a dialect.
package enum TableReply: Equatable, Sendable {
    /// No policy: the level of main.cf applies.
    case notFound
    /// A TLS policy for this destination.
    case entry(TLSPolicyEntry)
    /// A temporary error. Postfix defers the mail and logs the reason (over tcp_table it does not log it).
    case temporary(TemporaryReason)
    /// The request was malformed. The connection ends after this reply.
    case refused(TemporaryReason)
}

/// Whether a reply fits into the length that Postfix takes.
package enum FitResult: Equatable, Sendable {
    case whole
    /// Written in a shorter dialect, without the attributes for TLS reports and the exact comparison of MX host names.
    case shortened
    /// Too long in any dialect; a temporary error was written in its place.
    case tooLong
}

/// The reason of a temporary error, which the operator reads in the mail log.
///
/// Limits: 200 printable ASCII characters, Postfix's own limit. Other characters are escaped.
package struct TemporaryReason: Hashable, Sendable {
    package let text: String

    /// Characters. Postfix logs no more of a reason.
    package static let maximumLength = 200

    package init(_ text: String) {
        let printable = UntrustedText.printable(
            text, limit: Self.maximumLength - UntrustedText.truncationMark.utf8.count)
        // The operator needs a reason.
        self.text = printable.isEmpty ? "no reason known" : printable
    }
}
