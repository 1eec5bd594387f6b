import PostfixTable
import TextFormats

/// The settings of the bridge that can contradict those of Postfix.
package struct PostfixOptions: Equatable, Sendable {
    /// `postfix.dane`
    package enum DANE: String, Sendable, CaseIterable {
        case auto
        case on
        case off
    }

    /// `postfix.version`; `nil`: `auto`.
    package var release: PostfixRelease?
    package var dane: DANE
    /// `policy.no-policy-reply`; `nil`: "not found".
    package var noPolicyReply: TLSPolicyEntry?

    package init(release: PostfixRelease? = nil, dane: DANE = .auto, noPolicyReply: TLSPolicyEntry? = nil) {
        self.release = release
        self.dane = dane
        self.noPolicyReply = noPolicyReply
    }

    /// The dialect for tcp_table, and for map names that choose none. Without a known Postfix: the dialect that every
    /// Postfix since 2019 understands.
    package func dialect(beside postfix: PostfixProfile?) -> Dialect {
        (release ?? postfix?.release).map { Dialect(for: $0) } ?? .classic
    }

    /// Whether the bridge shall look for DANE. It also needs working DNSSEC.
    package func wantsDANE(beside postfix: PostfixProfile?) -> Bool {
        switch dane {
        case .on: true
        case .off: false
        case .auto: postfix?.validatesDNS ?? false
        }
    }
}

/// A contradiction between the bridge's configuration and Postfix's.
package enum PostfixConflict: Hashable, Sendable {
    /// Replies would contain attributes that this Postfix refuses, which stops all mail.
    case dialect(configured: PostfixRelease, found: PostfixRelease)
    /// Replies would be `dane`, which Postfix without DNSSEC treats as `may`, and `dane-only`, which defers the mail.
    case daneWithoutDNSSEC
    /// Some delivery services validate DNSSEC, and others do not, but all get the same replies.
    case servicesDifferInDNSSEC(with: [String], without: [String], looksForDANE: Bool)
    /// The delivery services have levels that need different replies about DANE. Each text is `name (level)`.
    case servicesDifferInLevel([String], binding: String)
    /// Destinations without a policy lose Postfix's own DANE.
    case replySwitchesDANEOff(level: String)
    case replyDANEWithoutDNSSEC
    case replyNone
    /// Postfix uses DANE, and the bridge does not look for it.
    case policyOverridesDANE
    /// Postfix's settings are unknown, so the bridge does not look for DANE, and enforced policies override Postfix's DANE.
    case daneUnknown

    package enum Consequence: Sendable {
        case stopsTheStart
        case warning
    }

    package var consequence: Consequence {
        switch self {
        case .dialect, .daneWithoutDNSSEC: .stopsTheStart
        case .servicesDifferInDNSSEC, .servicesDifferInLevel, .replySwitchesDANEOff, .replyDANEWithoutDNSSEC,
            .replyNone,
            .policyOverridesDANE, .daneUnknown:
            .warning
        }
    }

    /// The configuration key to change.
    package var key: String {
        switch self {
        case .dialect: "postfix.version"
        case .daneWithoutDNSSEC, .daneUnknown, .servicesDifferInDNSSEC: "postfix.dane"
        case .servicesDifferInLevel: "postfix.security-level"
        case .policyOverridesDANE: "dns.dnssec"
        case .replySwitchesDANEOff, .replyDANEWithoutDNSSEC, .replyNone: "policy.no-policy-reply"
        }
    }

    /// All conflicts; those that stop the start come first.
    ///
    /// - Parameters:
    ///   - postfix: the Postfix on this host; `nil`: there is none.
    ///   - securityLevel: `postfix.security-level`; `nil`: `auto`.
    ///   - looksForDANE: whether the bridge looks for DANE: the options ask for it, and validation is possible.
    package static func all(
        _ options: PostfixOptions, beside postfix: PostfixProfile?, securityLevel: SecurityLevel? = nil,
        looksForDANE: Bool
    ) -> [PostfixConflict] {
        var conflicts: [PostfixConflict] = []
        if let configured = options.release, let found = postfix?.release,
            !Dialect(for: configured).isUnderstood(where: Dialect(for: found))
        {
            conflicts.append(.dialect(configured: configured, found: found))
        }
        let services = postfix?.services ?? []
        let validating = services.filter(\.validatesDNS)
        let differs = !validating.isEmpty && validating.count < services.count
        let lacksDNSSEC = validating.count < services.count
        if options.dane == .on, lacksDNSSEC, !differs { conflicts.append(.daneWithoutDNSSEC) }
        if options.dane == .auto, postfix == nil { conflicts.append(.daneUnknown) }
        if differs, options.dane != .off {
            conflicts.append(
                .servicesDifferInDNSSEC(
                    with: validating.map(\.name), without: services.filter { !$0.validatesDNS }.map(\.name),
                    looksForDANE: looksForDANE))
        }
        if securityLevel == nil, looksForDANE || options.noPolicyReply == .dane {
            conflicts += postfix.flatMap(differenceInLevel).map { [$0] } ?? []
        }
        let losesDANE = !looksForDANE && !validating.isEmpty
        if losesDANE, options.dane != .off, !differs { conflicts.append(.policyOverridesDANE) }
        switch options.noPolicyReply {
        case .may, .encrypt, .cleartext:
            if losesDANE, let reply = options.noPolicyReply {
                conflicts.append(.replySwitchesDANEOff(level: reply.level))
            }
        case .dane, .daneOnly:
            if lacksDNSSEC { conflicts.append(.replyDANEWithoutDNSSEC) }
        case .secure, nil: break
        }
        if options.noPolicyReply == .cleartext { conflicts.append(.replyNone) }
        return conflicts
    }

    private static func differenceInLevel(_ postfix: PostfixProfile) -> PostfixConflict? {
        let binding = postfix.securityLevel
        guard postfix.services.contains(where: { !$0.securityLevel.isServed(by: binding) }) else { return nil }
        let list = postfix.services.map {
            "\($0.name) (\($0.securityLevel.text.isEmpty ? "empty" : $0.securityLevel.text))"
        }
        return .servicesDifferInLevel(list, binding: binding.text)
    }
}

extension PostfixConflict: CustomStringConvertible {
    package var description: String {
        switch self {
        case .dialect(let configured, let found):
            "postfix.version is \(configured), but Postfix is \(found), which refuses attributes of \(configured) and "
                + "would defer all mail to enforced domains; set it to auto or \(found)"
        case .daneWithoutDNSSEC:
            "postfix.dane is on, but smtp_dns_support_level is not dnssec, so Postfix would treat `dane` as `may` and "
                + "defer mail on `dane-only`; set smtp_dns_support_level = dnssec in main.cf, or postfix.dane to auto or off"
        case .servicesDifferInDNSSEC(let with, let without, let looksForDANE):
            "smtp_dns_support_level is dnssec for \(Self.list(with)) of master.cf and not for \(Self.list(without)), and all get "
                + "the same replies; "
                + (looksForDANE
                    ? "the bridge looks for DANE, so those without it defer mail on `dane-only`; "
                    : "postfix.dane: auto is off for all, so an enforced policy overrides the DANE of those with it; ")
                + "set it in main.cf, the same for all"
        case .servicesDifferInLevel(let services, let binding):
            "smtp_tls_security_level differs between services of master.cf, \(Self.list(services)), and all get the same "
                + "replies about DANE, those for \(Self.list([binding])), so that none is weakened; set it in main.cf, the same "
                + "for all, or set postfix.security-level"
        case .replySwitchesDANEOff(let level):
            "policy.no-policy-reply is \(level), which switches Postfix's own DANE off (smtp_dns_support_level = dnssec) "
                + "for every destination without a policy, and the bridge does not look for it; set it to not-found, or set "
                + "postfix.dane: auto and dns.dnssec: auto"
        case .replyDANEWithoutDNSSEC:
            "policy.no-policy-reply is dane, but smtp_dns_support_level is not dnssec, so Postfix treats it as `may`"
        case .replyNone:
            "policy.no-policy-reply is none, so Postfix uses no TLS at all for destinations without a policy, not even if "
                + "they offer it"
        case .policyOverridesDANE:
            "Postfix uses DANE (smtp_dns_support_level = dnssec) and the bridge cannot look for it, so an enforced policy "
                + "overrides Postfix's own DANE; set dns.dnssec: auto and a dns.trust-anchor-file, or postfix.dane: off"
        case .daneUnknown:
            "postconf did not run on this host, so postfix.dane: auto is off: an enforced policy overrides Postfix's own "
                + "DANE; set postfix.dane to on or off"
        }
    }

    /// Joins text of master.cf, escaped.
    private static func list(_ texts: [String]) -> String {
        UntrustedText.escaped(texts.joined(separator: ", "), limit: 300)
    }
}
