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
        let bare = text.hasPrefix("[") ? text.dropFirst().prefix { $0 != "]" } : text[...]
        if IPAddress(bare) != nil { return "\(shown) is an address; addresses have no policy" }
        if !bare.contains(".") { return "\(shown) is a single label, which has no policy" }
        return "\(shown) is no domain name"
    }
}
