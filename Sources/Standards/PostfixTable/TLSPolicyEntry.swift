import MTASTS
import NIOCore

/// One entry of Postfix's smtp_tls_policy_maps: a security level with its attributes.
///
/// An entry replaces the level that main.cf sets. All levels but `secure` are one bare word. Not `policy_type` on `may`:
/// Postfix would report success for a certificate that it did not verify. Not `servername` on `dane`: Postfix sends the
/// TLSA base domain by itself. Never `policy_failure`: at `secure` it stops all mail and can crash smtp(8), at other
/// levels it does nothing.
///
/// Protocol: postconf(5), smtp_tls_policy_maps.
/// Security: made from parsed values only, so that no text of a policy can become an attribute or a match strategy such
/// as `hostname`.
package enum TLSPolicyEntry: Equatable, Sendable {
    /// Encryption with a trusted certificate whose name matches one of the patterns.
    case secure(SecureMatch)
    /// RFC 7672: authentication by TLSA records for hosts that have them, else as `may`.
    case dane
    /// Only to hosts with usable TLSA records.
    case daneOnly
    /// Encryption if the host offers it.
    case may
    /// Encryption with any certificate.
    case encrypt
    /// `none`: no encryption, even if the host offers it. The case has another name than `Optional.none`.
    case cleartext
}

/// The patterns of a policy for Postfix: at least one, each once, in the order of the policy.
package struct SecureMatch: Equatable, Sendable {
    package let domain: PolicyDomain
    package let patterns: [MXPattern]
    /// The additional text of dialect `sts`; `nil` if the patterns are not from a published policy.
    let strings: PolicyStrings?
}

extension SecureMatch {
    /// - Returns: `nil` if no name in the policy can be a host's. An empty `match=` would stop all mail, and Postfix would
    ///   take a single label such as `hostname` for a match strategy.
    package init?(domain: PolicyDomain, policy: STSPolicy) {
        let patterns = policy.hostPatterns
        guard !patterns.isEmpty else { return nil }
        self.init(
            domain: domain, patterns: patterns,
            strings: PolicyStrings(text: policy.octets, mode: policy.mode, maxAge: policy.maxAge))
    }

    /// Names that an operator pinned. No dialect mentions a policy: a TLS report would claim that one is published.
    ///
    /// - Returns: `nil` if none of the names can be a host's.
    package init?(domain: PolicyDomain, pinned: [MXPattern]) {
        var seen: Set<MXPattern> = []
        let patterns = pinned.filter { $0.canNameHost && seen.insert($0).inserted }
        guard !patterns.isEmpty else { return nil }
        self.init(domain: domain, patterns: patterns, strings: nil)
    }
}

extension TLSPolicyEntry {
    /// The level in Postfix's spelling, for a log.
    package var level: String { "\(levelText)" }

    private var levelText: StaticString {
        switch self {
        case .secure: "secure"
        case .dane: "dane"
        case .daneOnly: "dane-only"
        case .may: "may"
        case .encrypt: "encrypt"
        case .cleartext: "none"
        }
    }

    /// The number of octets that `write(in:into:)` appends.
    func length(in dialect: Dialect) -> Int {
        var length = EntryLength()
        put(in: dialect, into: &length)
        return length.octets
    }

    /// The first dialect, from `dialect` to shorter ones, whose text is at most `limit` octets long; `nil` if there is none.
    ///
    /// A shorter dialect loses TLS reports and the exact comparison of MX host names, but keeps the policy.
    func fitting(_ limit: Int, in dialect: Dialect) -> (dialect: Dialect, length: Int)? {
        let length = length(in: dialect)
        if length <= limit { return (dialect, length) }
        return dialect.shorter.flatMap { fitting(limit, in: $0) }
    }

    /// Appends the entry as Postfix reads it: `secure match=mx1.example.com:.example.net servername=hostname`.
    func write(in dialect: Dialect, into buffer: inout ByteBuffer) {
        put(in: dialect, into: &buffer)
    }

    private func put(in dialect: Dialect, into writer: inout some EntryWriter) {
        writer.put(levelText)
        guard case .secure(let match) = self else { return }
        match.putMatch(into: &writer)
        switch dialect {
        case .legacy: break
        case .classic: writer.put(Self.serverName)
        case .sts:
            writer.put(Self.serverName)
            match.putPolicy(into: &writer)
        }
    }

    /// RFC 8461 §7.1: the client sends SNI. At `secure` Postfix needs this attribute for it, which 3.4 introduced.
    private static let serverName: StaticString = " servername=hostname"

    /// The reason in the temporary error that replaces an entry that is too long.
    func tooLong(limit: Int) -> TemporaryReason {
        switch self {
        case .secure(let match):
            TemporaryReason(
                "policy of \(match.domain) lists more mx than fit into the \(limit) octets that Postfix takes")
        case .dane, .daneOnly, .may, .encrypt, .cleartext:
            TemporaryReason("TLS policy \(level) is longer than the \(limit) octets that Postfix takes")
        }
    }
}

extension SecureMatch {
    /// Writes ` match=…`. `*.example.com` becomes `.example.com`: Postfix would compare `*.example.com` literally. It then
    /// accepts any depth of subdomain, more than RFC 8461 §4.1; Postfix before 3.10.5 has no exact form.
    fileprivate func putMatch(into writer: inout some EntryWriter) {
        var separator: StaticString = " match="
        for pattern in patterns {
            writer.put(separator)
            pattern.put(wildcard: ".", into: &writer)
            separator = ":"
        }
    }

    /// Writes the policy itself. `mx_host_pattern` is exact: `*.example.com` stays unchanged and matches one label.
    /// `.example.com` would match nothing, and since 3.10.5 defer all mail. Each pattern is one attribute.
    fileprivate func putPolicy(into writer: inout some EntryWriter) {
        guard let strings else { return }
        writer.put(" policy_type=sts policy_domain=")
        writer.put(domain.name.text)
        strings.put(patterns: patterns, into: &writer)
        for pattern in patterns {
            writer.put(" mx_host_pattern=")
            pattern.put(wildcard: "*.", into: &writer)
        }
    }
}
