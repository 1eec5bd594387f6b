import DANE
import MTASTS

/// What Postfix is to do, and the rule that says so.
package struct Decision: Equatable, Sendable {
    /// The rows of the decision table; `explain` and the log name them.
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
        /// No opinion: the site's own level stays in force.
        case notFound
        /// Deliver only to an authenticated MX of this policy.
        case secure(HeldPolicy)
        /// Deliver only to an authenticated host of these names, which the operator gave.
        case secureByNames([MXPattern])
        /// Let Postfix judge each host by DANE; a host without TLSA records gets TLS where it offers it.
        case dane
        /// Deliver only to hosts with usable TLSA records.
        case daneOnly
        /// TLS where it is offered.
        case may
        /// TLS, with anybody.
        case encrypt
        /// No TLS at all.
        case cleartext
        /// Not now: the reason is for the operator's mail log.
        case deferred(Deferral)
    }

    /// Why mail has to wait.
    package enum Deferral: Equatable, Sendable {
        /// Whether there is a policy could not be found out.
        case policy(Ignorance)
        /// Whether DANE applies could not be found out, in words.
        case dane(String)
        /// The operator pinned the domain, and there are no names to hold a certificate against.
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
    /// The reply in one word, for logs and metrics: what Postfix reads first, `not-found` or `temporary`.
    package var word: String {
        switch self {
        case .notFound: "not-found"
        // A policy that names no host is answered with the reason.
        case .secure(let held): held.policy.hostPatterns.isEmpty ? "temporary" : "secure"
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
        case .policy(let ignorance): "\(ignorance)"
        case .dane(let reason): reason
        case .pinWithoutNames: "pinned without names, and no policy is known"
        }
    }
}

/// What the operator has said of one domain; it goes before everything that was found out.
package enum Override: Equatable, Sendable {
    case none
    /// Observe mode: nothing is said to Postfix.
    case observe
    case exempt(mayEncrypt: Bool)
    /// Authenticated TLS, by these names; without names by those of the policy.
    case pin([MXPattern])
}

/// What is known of DANE for a destination.
package enum DANEStanding: Equatable, Sendable {
    /// We do not look.
    case off
    /// - Parameter reason: what could not be found out, or not yet; `nil`: nothing is missing.
    case known(Coverage, reason: String?)
}

/// The site's choices in the decision.
package struct DecisionSettings: Equatable, Sendable {
    package enum OnUnknown: String, CaseIterable, Sendable {
        /// As without MTA-STS, which RFC 8461 §3.3 demands where nothing is held.
        case deliver
        case `defer`
    }

    /// What a domain without a policy gets.
    package enum NoPolicyReply: String, CaseIterable, Sendable {
        case notFound = "not-found"
        case may
        case encrypt
        case dane
        /// In Postfix's own language: no TLS at all, not even where it is offered.
        case none
    }

    /// What DANE may answer without an enforced policy. It depends on the site's own level (`smtp_tls_security_level`),
    /// which a map's answer replaces.
    package enum DANEReply: Sendable, CaseIterable {
        /// The level is empty, `none` or `may`: `dane`, which falls to `may` on hosts without TLSA records, is stronger.
        case dane
        /// The level is `encrypt`, `verify` or `secure`: `dane` could weaken it. Where every host has usable TLSA records
        /// the answer is `dane-only`; they authenticate hosts that the level would refuse (RFC 7672 §2.2).
        case daneOnly
        /// The level does DANE itself (`dane`, `dane-only`), asks for fingerprints, or is unknown: it stays in force.
        case notFound
    }

    package var onUnknown = OnUnknown.deliver
    /// Treat `testing` like `enforce`.
    package var enforceTesting = false
    package var noPolicyReply = NoPolicyReply.notFound
    package var daneReply = DANEReply.dane
    /// Observe mode: Postfix is told nothing, and what it would have been told is logged and counted. Where this is off the
    /// operator's order counts (`PolicyService.observe`).
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
