/// What DANE means for the MX set of a domain: which of the three `dane` rows of the decision table applies, if any.
package enum Coverage: Hashable, Sendable {
    /// Row `dane`: wherever mail can go, DANE authenticates it.
    case complete
    /// Row `dane-partial`: some host has TLSA records, but DANE does not protect the whole way.
    case partial
    /// Row `dane-unknown`: the domain is known to be signed, and an error hides whether DANE applies. With each coverage
    /// that is possible once the failed queries are answered.
    case unknown(Set<Completion>)
    /// No `dane` row.
    case notApplicable
}

extension Coverage {
    /// What an unknown coverage may turn out to be.
    package enum Completion: Hashable, Sendable, CaseIterable {
        case complete
        case partial
        case notApplicable
    }

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
        let known = KnownHosts(hosts)
        let failed = hosts.count(where: \.isFailed)
        switch Completion(isSecure: mx == .secure, known) {
        case .complete:
            self = .complete
        case .partial:
            self = .partial
        case .notApplicable:
            guard mx == .failed || failed > 0, isKnownSigned else {
                self = .notApplicable
                return
            }
            self = .unknown(Self.completions(mx: mx, known, failed: failed))
        }
    }

    /// Every coverage that the missing answers can lead to. A failed host may turn out to be usable, unusable, without
    /// DANE, or absent; after a failed MX query there may be any hosts.
    private static func completions(mx: MXSecurity, _ known: KnownHosts, failed: Int) -> Set<Completion> {
        guard mx != .failed else { return .all }
        var possible: Set<KnownHosts> = [known]
        for _ in 0..<min(failed, KnownHosts.kinds.count) {
            possible.formUnion(possible.flatMap { hosts in KnownHosts.kinds.map(hosts.union) })
            // A host that turns out to be absent adds nothing, so what was possible stays possible.
        }
        return Set(possible.map { Completion(isSecure: mx == .secure, $0) })
    }

    /// Which judgements occur. Absent hosts do not count, failed ones are counted apart.
    fileprivate struct KnownHosts: OptionSet, Hashable {
        let rawValue: UInt8

        static let usable = KnownHosts(rawValue: 1)
        static let unusable = KnownHosts(rawValue: 2)
        static let none = KnownHosts(rawValue: 4)
        static let kinds = [usable, unusable, none]

        init(rawValue: UInt8) { self.rawValue = rawValue }

        init<Failure>(_ hosts: [HostJudgement<Failure>]) {
            self.init(rawValue: 0)
            for host in hosts {
                switch host {
                case .usable: insert(.usable)
                case .unusable: insert(.unusable)
                case .none: insert(.none)
                case .absent, .failed: break
                }
            }
        }
    }
}

extension Coverage.Completion {
    /// What an MX set of these hosts comes to.
    fileprivate init(isSecure: Bool, _ hosts: Coverage.KnownHosts) {
        if isSecure, hosts == .usable {
            self = .complete
        } else if hosts.contains(.usable) || hosts.contains(.unusable) {
            self = .partial
        } else {
            self = .notApplicable
        }
    }
}

extension Set<Coverage.Completion> {
    /// Nothing is known.
    package static var all: Self { Set(Element.allCases) }
}

extension HostJudgement {
    fileprivate var isFailed: Bool {
        if case .failed = self { true } else { false }
    }
}
