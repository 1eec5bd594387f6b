import TextFormats

/// The media type of a response, which must be text/plain for a policy (RFC 8461 §3.2).
///
/// The check protects against servers on which users can publish pages or pictures at any path.
package enum PolicyMediaType: Hashable, Sendable {
    /// `text/plain`: the body may be a policy.
    case textPlain
    /// No Content-Type, or an empty one. The response is refused (STS-3.2-d, D8).
    case missing
    /// Another type, escaped for the log. The response is refused.
    case other(String)

    /// Checks the type only; case does not matter (RFC 9110 §8.3.1). Parameters have no effect: a policy is UTF-8, whatever
    /// the charset parameter names (STS-3.2-c).
    ///
    /// Some servers send the field twice, or join two values by a comma (RFC 9110 §5.3, §8.3). Then each value must be
    /// `text/plain`. A quoted string ends with its line. If it has no end, the response is refused, because the string might
    /// hide another type.
    ///
    /// - Parameter lines: The values of the response's Content-Type lines; empty without that field.
    package static func check(_ lines: [String]) -> PolicyMediaType {
        guard !lines.joined().utf8.allSatisfy(\.isBlank) else { return .missing }
        let wellFormed = lines.compactMap { members(of: $0.utf8) }
        let types = wellFormed.joined().map(mediaType(of:))
        let isPlain =
            wellFormed.count == lines.count
            && types.allSatisfy { $0.lazy.map(\.asciiLowercased).elementsEqual("text/plain".utf8) }
        guard !isPlain else { return .textPlain }
        let all = lines.joined(separator: ", ")
        let logged = wellFormed.count == lines.count && types.count == 1 ? types[0] : all.utf8[...]
        return .other(UntrustedText.escaped(logged, limit: maximumLoggedLength))
    }

    /// Splits a list at the commas outside of quoted strings (RFC 9110 §5.6.1, §5.6.4). Returns `nil` if a quoted string has
    /// no end.
    private static func members(of list: String.UTF8View) -> [Substring.UTF8View]? {
        var members: [Substring.UTF8View] = []
        var start = list.startIndex
        var (isQuoted, isEscaped) = (false, false)
        for index in list.indices {
            switch list[index] {
            case _ where isEscaped: isEscaped = false
            case UInt8(ascii: "\\") where isQuoted: isEscaped = true
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: ",") where !isQuoted:
                members.append(list[start..<index])
                start = list.index(after: index)
            default: break
            }
        }
        return isQuoted ? nil : members + [list[start...]]
    }

    private static func mediaType(of member: Substring.UTF8View) -> Substring.UTF8View {
        member.prefix { $0 != UInt8(ascii: ";") }.drop(while: \.isBlank).withoutTrailingBlanks
    }

    /// Longer than any registered type, short enough for a log line.
    private static let maximumLoggedLength = 100
}
