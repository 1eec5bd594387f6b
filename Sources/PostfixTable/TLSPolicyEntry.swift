import MTASTS
import NIOCore

/// One entry of Postfix's smtp_tls_policy_maps: a security level with what it needs.
///
/// Grammar: postconf(5), smtp_tls_policy_maps. Built from parsed values only, so that no text of a stranger's policy
/// can become an attribute or a match strategy such as `hostname`. An entry replaces the site's own level.
///
/// All levels but `secure` are one bare word. Not `policy_type` on `may`: Postfix would report success for a certificate
/// that nobody checked. Not `servername` on `dane`: Postfix sends the TLSA base domain by itself. Never
/// `policy_failure`: at `secure` it stops all mail and can crash smtp(8), elsewhere it does nothing.
package enum TLSPolicyEntry: Equatable, Sendable {
    /// Encrypted, authenticated, and only with a certificate that names one of the patterns.
    case secure(SecureMatch)
    /// RFC 7672: authenticated by TLSA where a host has them, else as `may`.
    case dane
    /// Only to hosts with usable TLSA records.
    case daneOnly
    /// Encrypted where offered.
    case may
    /// Encrypted, with anybody.
    case encrypt
    /// `none`: never encrypted, not even where offered. (Not called so: it would be mistaken for `Optional.none`.)
    case cleartext
}

/// The patterns of a policy in the form that Postfix matches: at least one, each once, in policy order.
package struct SecureMatch: Equatable, Sendable {
    package let domain: PolicyDomain
    package let patterns: [MXPattern]
    /// What dialect `sts` adds; `nil` where no published policy stands behind the patterns.
    let strings: PolicyStrings?

    /// `nil` when the policy lists no name that a host could have: an empty `match=` would stop all mail, and a single
    /// label such as `hostname` would be read as a strategy of Postfix's own.
    ///
    /// - Parameter text: the octets that `policy` was read from, for TLS reports. Empty: lines are made from `policy`.
    package init?(domain: PolicyDomain, policy: STSPolicy, text: [UInt8]) {
        let patterns = policy.hostPatterns
        guard !patterns.isEmpty else { return nil }
        self.domain = domain
        self.patterns = patterns
        strings = PolicyStrings(text: text, mode: policy.mode, maxAge: policy.maxAge)
    }

    /// Names that an operator gave. Nothing is said of a policy in any dialect: none was published, and a report would
    /// claim one.
    ///
    /// - Returns: `nil` when no name among them could be a host's.
    package init?(domain: PolicyDomain, pinned: [MXPattern]) {
        var seen: Set<MXPattern> = []
        let patterns = pinned.filter { $0.canNameHost && seen.insert($0).inserted }
        guard !patterns.isEmpty else { return nil }
        self.domain = domain
        self.patterns = patterns
        strings = nil
    }
}

extension TLSPolicyEntry {
    /// The level as Postfix writes it, for a log.
    package var level: String { "\(levelWord)" }

    private var levelWord: StaticString {
        switch self {
        case .secure: "secure"
        case .dane: "dane"
        case .daneOnly: "dane-only"
        case .may: "may"
        case .encrypt: "encrypt"
        case .cleartext: "none"
        }
    }

    /// Octets that `write(in:into:)` appends.
    func length(in dialect: Dialect) -> Int {
        var length = EntryLength()
        put(in: dialect, into: &length)
        return length.octets
    }

    /// The entry's words and their length in the first of `dialect` and what is shorter that fits.
    ///
    /// Losing the words for TLS reports costs the exact comparison of MX host names; losing all would be no policy.
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
        writer.put(levelWord)
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

    /// RFC 8461 §7.1: the client sends SNI. Postfix does so at `secure` only when told to, and knows how since 3.4.
    private static let serverName: StaticString = " servername=hostname"

    /// The reason to give when the entry is longer than Postfix takes.
    func tooLong(limit: Int) -> Reason {
        switch self {
        case .secure(let match):
            Reason("policy of \(match.domain) lists more mx than fit into the \(limit) octets that Postfix takes")
        case .dane, .daneOnly, .may, .encrypt, .cleartext:
            Reason("TLS policy \(level) is longer than the \(limit) octets that Postfix takes")
        }
    }
}

extension SecureMatch {
    /// ` match=…`. `*.example.com` is written `.example.com`: Postfix would compare `*.example.com` literally. It then
    /// takes any depth of sub-domain, wider than RFC 8461 §4.1; Postfix before 3.10.5 has no exact way to say it.
    fileprivate func putMatch(into writer: inout some EntryWriter) {
        var separator: StaticString = " match="
        for pattern in patterns {
            writer.put(separator)
            pattern.put(wildcard: ".", into: &writer)
            separator = ":"
        }
    }

    /// The policy itself. `mx_host_pattern` is exact: `*.example.com` stays so and stands for one label; `.example.com`
    /// would match nothing and hold all mail since 3.10.5. One pattern an attribute.
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
