/// How far DANE protects the MX set of a domain. It selects one of the three `dane` rows of the decision table, or none.
package enum DANECoverage: Hashable, Sendable {
    /// Row `dane`: DANE authenticates every host.
    case complete
    /// Row `dane-partial`: some host has TLSA records, but DANE does not protect every host.
    case partial
    /// Row `dane-unknown`: the domain is known to be signed, and an error hides whether DANE applies. The payload is the
    /// coverages that are possible after the failed queries succeed.
    case unknown(Set<Completion>)
    /// No `dane` row.
    case notApplicable
}

extension DANECoverage {
    /// A coverage without unknown parts.
    package enum Completion: Hashable, Sendable, CaseIterable {
        case complete
        case partial
        case notApplicable
    }

    /// Computes the coverage.
    ///
    /// The order of the hosts has no effect: the mail server uses its preferences, which outrank security
    /// (RFC 7672 §2.2.1).
    ///
    /// - Parameters:
    ///   - mx: The security of the MX set.
    ///   - hosts: The status of each of its hosts.
    ///   - isKnownSigned: Whether DNSSEC was seen before an error, now or in the last complete result. Otherwise an error
    ///     means no DANE, because only signed zones can have DANE.
    package init<Failure>(mx: MXSecurity, hosts: [MXHostStatus<Failure>], isKnownSigned: Bool) {
        let known = KnownHosts(hosts)
        let failed = hosts.count(where: \.isFailed)
        switch Completion(isSecure: mx == .secure, hosts: known) {
        case .complete:
            self = .complete
        case .partial:
            self = .partial
        case .notApplicable:
            guard mx == .failed || failed > 0, isKnownSigned else {
                self = .notApplicable
                return
            }
            self = .unknown(Self.completions(mx: mx, known: known, failed: failed))
        }
    }

    /// Returns every coverage that the missing answers can lead to. A failed host may be usable, unusable, without DANE, or
    /// absent. After a failed MX query any hosts are possible.
    private static func completions(mx: MXSecurity, known: KnownHosts, failed: Int) -> Set<Completion> {
        guard mx != .failed else { return .all }
        var possible: Set<KnownHosts> = [known]
        for _ in 0..<min(failed, KnownHosts.kinds.count) {
            possible.formUnion(possible.flatMap { hosts in KnownHosts.kinds.map(hosts.union) })
            // An absent host adds nothing, so the earlier sets stay possible.
        }
        return Set(possible.map { Completion(isSecure: mx == .secure, hosts: $0) })
    }

    /// The statuses that occur. Excludes absent and failed hosts.
    fileprivate struct KnownHosts: OptionSet, Hashable {
        let rawValue: UInt8

        static let usable = KnownHosts(rawValue: 1)
        static let unusable = KnownHosts(rawValue: 2)
        static let none = KnownHosts(rawValue: 4)
        static let kinds = [usable, unusable, none]

        init(rawValue: UInt8) { self.rawValue = rawValue }

        init<Failure>(_ hosts: [MXHostStatus<Failure>]) {
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

extension DANECoverage.Completion {
    /// The coverage of an MX set with these hosts.
    fileprivate init(isSecure: Bool, hosts: DANECoverage.KnownHosts) {
        if isSecure, hosts == .usable {
            self = .complete
        } else if hosts.contains(.usable) || hosts.contains(.unusable) {
            self = .partial
        } else {
            self = .notApplicable
        }
    }
}

extension Set<DANECoverage.Completion> {
    /// Nothing is known: every coverage is possible.
    package static var all: Self { Set(Element.allCases) }
}

extension MXHostStatus {
    fileprivate var isFailed: Bool {
        if case .failed = self { true } else { false }
    }
}
