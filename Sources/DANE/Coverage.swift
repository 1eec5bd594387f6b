/// What DANE means for the MX set of a domain: which of the three `dane` rows of the decision table applies, if any.
package enum Coverage: Hashable, Sendable {
    /// Row `dane`: wherever mail can go, DANE authenticates it.
    case complete
    /// Row `dane-partial`: DANE has a word on some host, but does not protect the whole way.
    case partial
    /// Row `dane-unknown`: the domain is known to be signed, and an error hides whether DANE applies.
    case unknown(someHostHasNone: Bool)
    /// No `dane` row.
    case notApplicable
}

extension Coverage {
    /// The rows, in order.
    ///
    /// The order of the hosts plays no part: preferences are the mail server's, and outrank security (RFC 7672 §2.2.1).
    ///
    /// - Parameters:
    ///   - mx: what is known of the MX set.
    ///   - hosts: the judgement of each of its hosts.
    ///   - isKnownSigned: whether DNSSEC was seen on the way to an error, now or by the last completed finding. An error
    ///     elsewhere is no DANE: only signed zones can have it.
    package init<Failure>(mx: MXSecurity, hosts: [HostJudgement<Failure>], isKnownSigned: Bool) {
        let count = Tally(hosts)
        if mx == .secure, count.usable > 0, count.unusable == 0, count.none == 0 {
            self = .complete
        } else if count.usable > 0 || count.unusable > 0 {
            self = .partial
        } else if mx == .failed || count.failed > 0, isKnownSigned {
            self = .unknown(someHostHasNone: count.none > 0)
        } else {
            self = .notApplicable
        }
    }

    /// How many hosts were judged how. Absent hosts do not count.
    private struct Tally {
        var usable = 0
        var unusable = 0
        var none = 0
        var failed = 0

        init<Failure>(_ hosts: [HostJudgement<Failure>]) {
            for host in hosts {
                switch host {
                case .usable: usable += 1
                case .unusable: unusable += 1
                case .none: none += 1
                case .absent: break
                case .failed: failed += 1
                }
            }
        }
    }
}
