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
    /// - Parameter lines: the values of the response's Content-Type lines; none without that field. Some servers send the
    ///   line twice: that is text if each is `text/plain`, and each member of a line that was joined of several by commas
    ///   (RFC 9110 §5.3, §8.3). A mixture is refused. Each line is judged by itself: a quote in one does not reach into the
    ///   next, and a quoted string without its end, which might hide another type, is refused.
    package static func check(_ lines: [String]) -> PolicyMediaType {
        guard !lines.joined().utf8.allSatisfy(\.isBlank) else { return .missing }
        let wellFormed = lines.compactMap { members(of: $0.utf8) }
        let types = wellFormed.joined().map(mediaType(of:))
        let isPlain =
            wellFormed.count == lines.count
            && types.allSatisfy { $0.lazy.map(\.asciiLowercased).elementsEqual("text/plain".utf8) }
        guard !isPlain else { return .textPlain }
        let all = lines.joined(separator: ", ")
        let shown = wellFormed.count == lines.count && types.count == 1 ? types[0] : all.utf8[...]
        return .other(RemoteText.escaped(shown, limit: shownLength))
    }

    /// The members of a list, split at the commas outside of quoted strings (RFC 9110 §5.6.1, §5.6.4). `nil` when a quoted
    /// string has no end.
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
    private static let shownLength = 100
}
