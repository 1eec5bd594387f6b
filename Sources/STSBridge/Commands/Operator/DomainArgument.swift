import ArgumentParser
import Discovery
import MTASTS
import PostfixTable

/// A domain on the command line, in any spelling that Postfix may send, folded as its keys are.
enum DomainArgument {
    /// - Throws: `ValidationError`, which says what is wrong with the text.
    static func parse(_ text: String) throws -> PolicyDomain {
        guard let nextHop = NextHop(key: Array(text.utf8), services: .wellKnown) else {
            throw ValidationError(problem(with: text))
        }
        return nextHop.domain
    }

    /// Why a text names no domain that could have a policy.
    static func problem(with text: String) -> String {
        let shown = RemoteText.escaped(text, limit: 100)
        if text.isEmpty { return "an empty text is no domain" }
        if text.contains("@") { return "\(shown) is a mail address; give what stands behind the @" }
        if text.contains("/") { return "\(shown) is no domain; give it without https:// and path" }
        if text.hasPrefix(".") { return "\(shown) begins with a dot; give one domain: others are not covered by it" }
        let host = host(of: text)
        if isAddress(host) { return "\(shown) is an address; addresses have no policy" }
        if !host.contains(where: { ".:".contains($0) }) { return "\(shown) is a single label, which has no policy" }
        return "\(shown) is no domain name"
    }

    /// Without brackets and port.
    private static func host(of text: String) -> Substring {
        if text.hasPrefix("[") { return text.dropFirst().prefix { $0 != "]" } }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 ? parts[0] : text[...]
    }

    /// Also in the form of RFC 5321 §4.1.3, `IPv6:2001:db8::1`.
    private static func isAddress(_ host: Substring) -> Bool {
        let tag = "IPv6:"
        let isTagged = host.prefix(tag.count).lowercased() == tag.lowercased()
        return IPAddress(isTagged ? host.dropFirst(tag.count) : host) != nil
    }
}
