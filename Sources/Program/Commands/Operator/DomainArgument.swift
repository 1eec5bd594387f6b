import ArgumentParser
import Discovery
import MTASTS
import PostfixTable
import TextFormats

/// Parses a domain on the command line, in any spelling that Postfix may send. It is normalised like the key of a lookup.
enum DomainArgument {
    /// - Throws: `ValidationError` with the reason.
    static func parse(_ text: String) throws -> PolicyDomain {
        guard let nextHop = NextHop(key: Array(text.utf8), services: .wellKnown) else {
            throw ValidationError(problem(with: text))
        }
        return nextHop.domain
    }

    /// The reason why a text is not a domain that can have a policy.
    static func problem(with text: String) -> String {
        let shown = UntrustedText.escaped(text, limit: 100)
        if text.isEmpty { return "the domain is empty" }
        if text.contains("@") { return "\(shown) is a mail address; give the part after the @" }
        if text.contains("/") { return "\(shown) is not a domain; give it without https:// and path" }
        if text.hasPrefix(".") { return "\(shown) begins with a dot; give one domain, without its subdomains" }
        let host = host(of: text)
        if isAddress(host) { return "\(shown) is an address; addresses have no policy" }
        if !host.contains(where: { ".:".contains($0) }) { return "\(shown) is a single label, which has no policy" }
        return "\(shown) is not a domain name"
    }

    /// The text without brackets and port.
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
