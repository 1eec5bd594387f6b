/// Escapes text from another party for a log line, a message or a terminal.
///
/// Printable ASCII stays, a backslash becomes `\\`, every other octet becomes `\xNN`. The result is one line without
/// control characters. Two different inputs give different results unless they were truncated.
package enum UntrustedText {
    /// Follows a truncated text.
    package static let truncationMark = "..."

    /// Returns at most `limit` characters, followed by `truncationMark` if the text is longer. Never splits an escape.
    ///
    /// - Parameter limit: The default of 200 fits a useful policy line; a page of HTML does not flood the log.
    package static func escaped(_ octets: some Sequence<UInt8>, limit: Int = 200) -> String {
        joined(octets, limit: limit, piece: escaped)
    }

    /// Escapes the UTF-8 octets of `text`.
    package static func escaped(_ text: some StringProtocol, limit: Int = 200) -> String {
        escaped(text.utf8, limit: limit)
    }

    /// The second line of defence, for a text that should be escaped already: keeps a backslash, so that it does not
    /// escape an escape.
    package static func printable(_ text: some StringProtocol, limit: Int) -> String {
        joined(text.utf8, limit: limit) { $0 == UInt8(ascii: "\\") ? "\\" : escaped($0) }
    }

    private static func joined(_ octets: some Sequence<UInt8>, limit: Int, piece: (UInt8) -> String) -> String {
        var text = ""
        var length = 0
        for octet in octets {
            let piece = piece(octet)
            length += piece.utf8.count
            guard length <= limit else { return text + truncationMark }
            text += piece
        }
        return text
    }

    private static func escaped(_ octet: UInt8) -> String {
        switch octet {
        case UInt8(ascii: "\\"): #"\\"#
        case 0x20...0x7E: String(UnicodeScalar(octet))
        case 0x00...0x0F: #"\x0"# + String(octet, radix: 16, uppercase: true)
        default: #"\x"# + String(octet, radix: 16, uppercase: true)
        }
    }
}
