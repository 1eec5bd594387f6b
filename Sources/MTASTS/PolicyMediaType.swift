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
    package static func check(_ contentType: String?) -> PolicyMediaType {
        guard let contentType else { return .missing }
        let type = contentType.utf8.prefix { $0 != UInt8(ascii: ";") }
            .drop(while: \.isBlank).withoutTrailingBlanks
        if type.lazy.map(\.asciiLowercased).elementsEqual("text/plain".utf8) { return .textPlain }
        let isEmpty = contentType.utf8.allSatisfy(\.isBlank)
        return isEmpty ? .missing : .other(RemoteText.escaped(type, limit: shownLength))
    }

    /// Longer than any registered type, short enough for a log line.
    private static let shownLength = 100
}
