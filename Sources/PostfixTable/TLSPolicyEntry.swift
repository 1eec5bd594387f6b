import MTASTS
import NIOCore

/// One entry of Postfix's smtp_tls_policy_maps: a security level with what it needs.
///
/// Grammar: postconf(5), smtp_tls_policy_maps. Built from parsed values only, so that no text of a stranger's policy
/// can become an attribute or a match strategy such as `hostname`.
package enum TLSPolicyEntry: Equatable, Sendable {
    /// Encrypted, authenticated, and only with a certificate that names one of the patterns.
    case secure(SecureMatch)
}

/// The patterns of an enforced policy in the form that Postfix matches: at least one, each once, in policy order.
package struct SecureMatch: Equatable, Sendable {
    package let domain: PolicyDomain
    package let patterns: [MXPattern]

    /// `nil` when the policy lists no name that a host could have: an empty `match=` would stop all mail, and a single
    /// label such as `hostname` would be read as a strategy of Postfix's own.
    package init?(domain: PolicyDomain, policy: STSPolicy) {
        let patterns = policy.hostPatterns
        guard !patterns.isEmpty else { return nil }
        self.domain = domain
        self.patterns = patterns
    }
}

extension TLSPolicyEntry {
    /// Octets that `write(in:into:)` appends.
    func length(in dialect: Dialect) -> Int {
        switch self {
        case .secure(let match):
            // A separator before each pattern but the first makes up for the last count.
            let patterns = match.patterns.reduce(-1) { $0 + $1.matchLength + 1 }
            return Self.securePrefix.utf8CodeUnitCount + patterns + dialect.secureSuffix.utf8CodeUnitCount
        }
    }

    /// Appends the entry as Postfix reads it: `secure match=mx1.example.com:.example.net servername=hostname`.
    func write(in dialect: Dialect, into buffer: inout ByteBuffer) {
        switch self {
        case .secure(let match):
            buffer.writeStaticString(Self.securePrefix)
            for (index, pattern) in match.patterns.enumerated() {
                if index > 0 { buffer.writeStaticString(":") }
                pattern.writeMatch(into: &buffer)
            }
            buffer.writeStaticString(dialect.secureSuffix)
        }
    }

    /// The reason to give when the entry is longer than Postfix takes.
    func tooLong(limit: Int) -> Reason {
        switch self {
        case .secure(let match):
            Reason("policy of \(match.domain) lists more mx than fit into the \(limit) octets that Postfix takes")
        }
    }

    private static let securePrefix: StaticString = "secure match="
}

extension Dialect {
    /// RFC 8461 §7.1: the client sends SNI. Postfix does so at `secure` only when told to, and knows how since 3.4.
    fileprivate var secureSuffix: StaticString {
        switch self {
        case .classic: " servername=hostname"
        case .legacy: ""
        }
    }
}

extension MXPattern {
    /// `*.example.com` is written `.example.com`: Postfix would compare `*.example.com` literally. It then takes any
    /// depth of sub-domain, wider than RFC 8461 §4.1; Postfix before 3.10.5 has no exact way to say it.
    fileprivate func writeMatch(into buffer: inout ByteBuffer) {
        switch self {
        case .exact(let name):
            buffer.writeString(name.text)
        case .anyLabel(let parent):
            buffer.writeStaticString(".")
            buffer.writeString(parent.text)
        }
    }

    fileprivate var matchLength: Int {
        switch self {
        case .exact(let name): name.text.utf8.count
        case .anyLabel(let parent): parent.text.utf8.count + 1
        }
    }
}
