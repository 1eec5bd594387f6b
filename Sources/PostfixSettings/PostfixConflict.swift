import MTASTS
import PostfixTable

/// What an operator chose, as far as it can contradict the Postfix at hand.
package struct PostfixChoices: Equatable, Sendable {
    /// `postfix.dane`
    package enum DANE: String, Sendable, CaseIterable {
        case auto
        case on
        case off
    }

    /// What `postfix.version` names; `nil`: `auto`.
    package var release: PostfixRelease?
    package var dane: DANE
    /// What is said where there is no policy; `nil`: not found.
    package var noPolicyReply: TLSPolicyEntry?

    package init(release: PostfixRelease? = nil, dane: DANE = .auto, noPolicyReply: TLSPolicyEntry? = nil) {
        self.release = release
        self.dane = dane
        self.noPolicyReply = noPolicyReply
    }

    /// For tcp_table, and map names that choose none. Without a Postfix to ask: what every Postfix since 2019 knows.
    package func dialect(beside postfix: LocalPostfix?) -> Dialect {
        (release ?? postfix?.release).map { Dialect(for: $0) } ?? .classic
    }

    /// Whether our DANE is wanted; whether DNSSEC works is another matter.
    package func wantsDANE(beside postfix: LocalPostfix?) -> Bool {
        switch dane {
        case .on: true
        case .off: false
        case .auto: postfix?.validatesDNS ?? false
        }
    }
}

/// Two things that do not go together: what was configured here, and what Postfix says of itself.
package enum PostfixConflict: Hashable, Sendable {
    /// Attributes that this Postfix refuses would stop all mail.
    case dialect(configured: PostfixRelease, found: PostfixRelease)
    /// We would say `dane`, which Postfix without DNSSEC takes for `may`, and `dane-only`, which it defers.
    case daneWithoutDNSSEC
    /// Some delivery services validate DNSSEC, and others do not. All get the same replies.
    case servicesDifferInDNSSEC(with: [String], without: [String], looksForDANE: Bool)
    /// The delivery services have levels for which different replies about DANE are right; each is `name (level)`.
    case servicesDifferInLevel([String], binding: String)
    /// Every destination without a policy loses Postfix's own DANE.
    case replySwitchesDANEOff(level: String)
    case replyDANEWithoutDNSSEC
    case replyNone
    /// Postfix does DANE, and we cannot look for it.
    case policyOverridesDANE
    /// Nobody to ask: off, and an enforced policy then overrides whatever DANE Postfix does.
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

    /// The configuration key that is at odds.
    package var key: String {
        switch self {
        case .dialect: "postfix.version"
        case .daneWithoutDNSSEC, .daneUnknown, .servicesDifferInDNSSEC: "postfix.dane"
        case .servicesDifferInLevel: "postfix.security-level"
        case .policyOverridesDANE: "dns.dnssec"
        case .replySwitchesDANEOff, .replyDANEWithoutDNSSEC, .replyNone: "policy.no-policy-reply"
        }
    }

    /// All of them, those that stop the start first.
    ///
    /// - Parameters:
    ///   - postfix: the Postfix on this host; `nil`: there is none.
    ///   - securityLevel: `postfix.security-level`; `nil`: `auto`.
    ///   - looksForDANE: whether we do; it may be wanted and not be possible.
    package static func all(
        _ choices: PostfixChoices, beside postfix: LocalPostfix?, securityLevel: SecurityLevel? = nil,
        looksForDANE: Bool
    ) -> [PostfixConflict] {
        var conflicts: [PostfixConflict] = []
        if let configured = choices.release, let found = postfix?.release,
            !Dialect(for: configured).isUnderstood(where: Dialect(for: found))
        {
            conflicts.append(.dialect(configured: configured, found: found))
        }
        let services = postfix?.services ?? []
        let validating = services.filter(\.validatesDNS)
        let differs = !validating.isEmpty && validating.count < services.count
        let lacksDNSSEC = validating.count < services.count
        if choices.dane == .on, lacksDNSSEC, !differs { conflicts.append(.daneWithoutDNSSEC) }
        if choices.dane == .auto, postfix == nil { conflicts.append(.daneUnknown) }
        if differs, choices.dane != .off {
            conflicts.append(
                .servicesDifferInDNSSEC(
                    with: validating.map(\.name), without: services.filter { !$0.validatesDNS }.map(\.name),
                    looksForDANE: looksForDANE))
        }
        if securityLevel == nil, looksForDANE || choices.noPolicyReply == .dane {
            conflicts += postfix.flatMap(differenceInLevel).map { [$0] } ?? []
        }
        let losesDANE = !looksForDANE && !validating.isEmpty
        if losesDANE, choices.dane != .off, !differs { conflicts.append(.policyOverridesDANE) }
        switch choices.noPolicyReply {
        case .may, .encrypt, .cleartext:
            if losesDANE, let reply = choices.noPolicyReply {
                conflicts.append(.replySwitchesDANEOff(level: reply.level))
            }
        case .dane, .daneOnly:
            if lacksDNSSEC { conflicts.append(.replyDANEWithoutDNSSEC) }
        case .secure, nil: break
        }
        if choices.noPolicyReply == .cleartext { conflicts.append(.replyNone) }
        return conflicts
    }

    private static func differenceInLevel(_ postfix: LocalPostfix) -> PostfixConflict? {
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
            "postfix.version is \(configured), but postconf says \(found), which refuses attributes of \(configured) and "
                + "would hold all mail to enforced domains; expected auto, or \(found)"
        case .daneWithoutDNSSEC:
            "postfix.dane is on, but postconf does not say smtp_dns_support_level = dnssec, so Postfix would take `dane` "
                + "for `may` and hold mail on `dane-only`; set it in main.cf, or postfix.dane to auto or off"
        case .servicesDifferInDNSSEC(let with, let without, let looksForDANE):
            "smtp_dns_support_level is dnssec for \(Self.list(with)) of master.cf and not for \(Self.list(without)), and all get "
                + "the same replies; "
                + (looksForDANE
                    ? "the bridge looks for DANE, so those without it hold mail on `dane-only`; "
                    : "postfix.dane: auto is off for all, so an enforced policy overrides the DANE of those with it; ")
                + "set it in main.cf, the same for all"
        case .servicesDifferInLevel(let services, let binding):
            "smtp_tls_security_level differs between services of master.cf, \(Self.list(services)), and all get the same "
                + "replies about DANE, those for \(Self.list([binding])), so that none is weakened; set it in main.cf, the same "
                + "for all, or choose one by postfix.security-level"
        case .replySwitchesDANEOff(let level):
            "policy.no-policy-reply is \(level), which switches Postfix's own DANE off (smtp_dns_support_level = dnssec) "
                + "for every destination without a policy, and the bridge does not look for it; expected not-found, or "
                + "postfix.dane: auto and dns.dnssec: auto"
        case .replyDANEWithoutDNSSEC:
            "policy.no-policy-reply is dane, but postconf does not say smtp_dns_support_level = dnssec, so Postfix takes "
                + "it for `may`"
        case .replyNone:
            "policy.no-policy-reply is none, which tells Postfix not to use TLS at all for destinations without a policy, "
                + "not even where it is offered"
        case .policyOverridesDANE:
            "Postfix does DANE (smtp_dns_support_level = dnssec) and the bridge cannot look for it, so an enforced policy "
                + "overrides Postfix's own DANE; expected dns.dnssec: auto and a dns.trust-anchor-file, or postfix.dane: off"
        case .daneUnknown:
            "postconf could not be asked on this host, so postfix.dane: auto is off: an enforced policy overrides Postfix's own DANE; "
                + "set postfix.dane to on or off"
        }
    }

    /// Text of master.cf, escaped.
    private static func list(_ texts: [String]) -> String {
        RemoteText.escaped(texts.joined(separator: ", "), limit: 300)
    }
}
