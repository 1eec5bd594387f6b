/// Text from a stranger, made fit for a log line, a message or a terminal.
///
/// Printable ASCII stays, a backslash becomes `\\`, every other octet `\xNN`: the result is one line without control
/// characters, and two different inputs never look the same unless they were cut.
package enum RemoteText {
    /// What stands where the rest was left out.
    package static let cutMark = "..."

    /// At most `limit` characters, and `cutMark` behind them when something was left out. No escape is cut in half.
    ///
    /// - Parameter limit: 200 unless told: a policy line worth reading fits, a page of HTML does not flood the log.
    package static func escaped(_ octets: some Sequence<UInt8>, limit: Int = 200) -> String {
        joined(octets, limit: limit, piece: escaped)
    }

    package static func escaped(_ text: some StringProtocol, limit: Int = 200) -> String {
        escaped(text.utf8, limit: limit)
    }

    /// The last line of defence for a text that should be escaped by now: as `escaped`, but a backslash stays as it is,
    /// so that what was escaped is not escaped once more.
    package static func printable(_ text: some StringProtocol, limit: Int) -> String {
        joined(text.utf8, limit: limit) { $0 == UInt8(ascii: "\\") ? "\\" : escaped($0) }
    }

    private static func joined(_ octets: some Sequence<UInt8>, limit: Int, piece: (UInt8) -> String) -> String {
        var text = ""
        var length = 0
        for octet in octets {
            let piece = piece(octet)
            length += piece.utf8.count
            guard length <= limit else { return text + cutMark }
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
