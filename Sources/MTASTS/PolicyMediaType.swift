/// Whether a response says that it is text, as a policy must (RFC 8461 §3.2): the guard against servers where users
/// may put pages or pictures at a path of their choice.
package enum PolicyMediaType: Hashable, Sendable {
    /// `text/plain`: the body may be read as a policy.
    case textPlain
    /// No Content-Type, or an empty one: refused, for it fails the check (STS-3.2-d, D8).
    case missing
    /// Another type, escaped for the log: refused.
    case other(String)

    /// Decides by the type alone. Case is free (RFC 9110 §8.3.1). Parameters are ignored: the two charsets that mean
    /// anything are what the body is read as anyway, and no other is obeyed (STS-3.2-c).
    ///
    /// - Parameter contentType: the field's value; several field lines joined by commas (RFC 9110 §5.3). Some servers send
    ///   the line twice: that is text if each member is `text/plain` (RFC 9110 §8.3). A mixture is refused.
    package static func check(_ contentType: String?) -> PolicyMediaType {
        guard let contentType, !contentType.utf8.allSatisfy(\.isBlank) else { return .missing }
        let types = members(of: contentType.utf8).map(mediaType(of:))
        let isPlain = types.allSatisfy { $0.lazy.map(\.asciiLowercased).elementsEqual("text/plain".utf8) }
        guard !isPlain else { return .textPlain }
        let shown = types.count == 1 ? types[0] : contentType.utf8[...]
        return .other(RemoteText.escaped(shown, limit: shownLength))
    }

    /// The members of a list, split at the commas outside of quoted strings (RFC 9110 §5.6.1, §5.6.4).
    private static func members(of list: String.UTF8View) -> [Substring.UTF8View] {
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
        return members + [list[start...]]
    }

    private static func mediaType(of member: Substring.UTF8View) -> Substring.UTF8View {
        member.prefix { $0 != UInt8(ascii: ";") }.drop(while: \.isBlank).withoutTrailingBlanks
    }

    /// Longer than any registered type, short enough for a log line.
    private static let shownLength = 100
}
