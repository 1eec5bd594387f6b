import DANE
import MTASTS

/// What Postfix has to do, and the rule that decided it.
package struct Decision: Equatable, Sendable {
    /// The rows of the decision table. `explain` and the log show them.
    package enum Rule: String, Sendable, CaseIterable {
        case observe
        case exempt
        case pin
        case dane
        case danePartial = "dane-partial"
        case daneUnknown = "dane-unknown"
        case enforce
        case testing
        case none
        case noPolicy = "no-policy"
        case unknown
    }

    package enum Action: Equatable, Sendable {
        /// No policy: the site's own level stays in force.
        case notFound
        /// Deliver only to an authenticated MX of this policy.
        case secure(CachedPolicy)
        /// Deliver only to an authenticated host with one of these names, which the operator set.
        case secureByNames([MXPattern])
        /// Postfix applies DANE to each host. A host without TLSA records gets TLS if it offers TLS.
        case dane
        /// Deliver only to hosts with usable TLSA records.
        case daneOnly
        /// TLS if the host offers it.
        case may
        /// TLS without authentication.
        case encrypt
        /// No TLS at all.
        case cleartext
        /// Defer the mail. The reason is for the operator's mail log.
        case deferred(Deferral)
    }

    /// Why mail is deferred.
    package enum Deferral: Equatable, Sendable {
        /// It is unknown whether there is a policy.
        case policy(UnknownReason)
        /// It is unknown whether DANE applies. The text is the reason.
        case dane(String)
        /// The operator pinned the domain, and there are no names for the certificate check.
        case pinWithoutNames
    }

    package let rule: Rule
    package let action: Action

    package init(rule: Rule, action: Action) {
        self.rule = rule
        self.action = action
    }
}

extension Decision.Action {
    /// The reply in one word, for logs and metrics: the level that Postfix gets, `not-found` or `temporary`.
    package var word: String {
        switch self {
        case .notFound: "not-found"
        // A policy without a usable mx defers the mail.
        case .secure(let cached): cached.policy.namesHost ? "secure" : "temporary"
        case .secureByNames: "secure"
        case .dane: "dane"
        case .daneOnly: "dane-only"
        case .may: "may"
        case .encrypt: "encrypt"
        case .cleartext: "none"
        case .deferred: "temporary"
        }
    }
}

extension Decision.Deferral: CustomStringConvertible {
    package var description: String {
        switch self {
        case .policy(let reason): "\(reason)"
        case .dane(let reason): reason
        case .pinWithoutNames: "pinned without names, and no policy is known"
        }
    }
}

/// The effect of an override or of observe mode on a decision. It has precedence over policies and DANE.
package enum OverrideEffect: Equatable, Sendable {
    case none
    /// Observe mode: Postfix gets no policy.
    case observe
    case exempt(mayEncrypt: Bool)
    /// Authenticated TLS with these names; without names, with those of the policy.
    case pin([MXPattern])
}

/// What is known about DANE for a destination.
package enum DANEStatus: Equatable, Sendable {
    /// DANE is switched off.
    case off
    /// - Parameter reason: why an answer is missing; `nil`: none is missing.
    case known(DANECoverage, reason: String?)
}

/// The site's choices in the decision.
package struct DecisionSettings: Equatable, Sendable {
    package enum OnUnknown: String, CaseIterable, Sendable {
        /// As without MTA-STS, which RFC 8461 §3.3 requires if no policy is cached.
        case deliver
        case `defer`
    }

    /// The reply for a domain without a policy.
    package enum NoPolicyReply: String, CaseIterable, Sendable {
        case notFound = "not-found"
        case may
        case encrypt
        case dane
        /// Postfix's level `none`: no TLS at all, even if the host offers it.
        case none
    }

    /// The reply for DANE without an enforced policy. It depends on the site's own level (`smtp_tls_security_level`), which the
    /// reply replaces.
    package enum DANEReply: Sendable, CaseIterable {
        /// The level is empty, `none` or `may`. `dane`, which is `may` for hosts without TLSA records, is stronger.
        case dane
        /// The level is `encrypt`, `verify` or `secure`, and `dane` could weaken it. If every host has usable TLSA records, the
        /// reply is `dane-only`; the records authenticate hosts that the level would refuse (RFC 7672 §2.2).
        case daneOnly
        /// The level uses DANE itself (`dane`, `dane-only`) or fingerprints, or is unknown. It stays in force.
        case notFound
    }

    package var onUnknown = OnUnknown.deliver
    /// Treat `testing` like `enforce`.
    package var enforceTesting = false
    package var noPolicyReply = NoPolicyReply.notFound
    package var daneReply = DANEReply.dane
    /// Observe mode: Postfix gets no policy, and decisions are only logged and counted. If this is `false`, the operator can
    /// switch observe mode on at run time.
    package var observes = false

    package init(
        onUnknown: OnUnknown = .deliver, enforceTesting: Bool = false, noPolicyReply: NoPolicyReply = .notFound,
        daneReply: DANEReply = .dane, observes: Bool = false
    ) {
        self.onUnknown = onUnknown
        self.enforceTesting = enforceTesting
        self.noPolicyReply = noPolicyReply
        self.daneReply = daneReply
        self.observes = observes
    }
}
