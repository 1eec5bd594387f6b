import Discovery

/// What can be expected of validation with these servers.
package enum DNSSECStanding: Equatable, Sendable {
    /// Signatures come through and are judged. `doubt` where the name that must be bogus was answered as insecure: the
    /// name may have been repaired, or this host's libraries refuse its algorithm (SHA-1).
    case works(doubt: String?)
    /// Answers come, what proves them does not: the servers strip DNSSEC. (A wrong trust anchor and a wrong clock look
    /// the same from here; the reason holds libunbound's words.)
    case stripped(reason: String)
    /// Nothing was found out.
    case unreachable(reason: String)
}

/// Finds out whether the servers let DNSSEC through: one name that is signed, one whose signatures are known to be wrong.
///
/// Concurrency: each probe is two questions at once, and no state.
/// Fails by: never; the standing says it, within the resolver's time for one query.
/// Not here: when to probe, and what to do about it (the wiring).
package struct DNSSECProbe: Sendable {
    /// NODATA, signed by the registry of a large zone: no name of one owner that may go away, and nothing secret in it.
    package static let signedOnTheInternet = DNSQuestion(name: "org", type: .a)
    /// Comcast keeps it broken for everybody's tests.
    package static let bogusOnTheInternet = DNSQuestion(name: "dnssec-failed.org", type: .a)

    package typealias Finding = Result<ValidatedAnswer, DNSFailure>

    private let resolver: any ValidatingResolver
    private let signed: DNSQuestion
    private let bogus: DNSQuestion

    package init(
        _ resolver: any ValidatingResolver, signed: DNSQuestion = signedOnTheInternet,
        bogus: DNSQuestion = bogusOnTheInternet
    ) {
        self.resolver = resolver
        self.signed = signed
        self.bogus = bogus
    }

    package func probe() async -> DNSSECStanding {
        async let signed = finding(signed)
        async let bogus = finding(bogus)
        return Self.standing(signed: await signed, bogus: await bogus)
    }

    private func finding(_ question: DNSQuestion) async -> Finding {
        do throws(DNSFailure) {
            return .success(try await resolver.resolveValidated(question))
        } catch {
            return .failure(error)
        }
    }

    /// The decision. A secure answer cannot be had without signatures up to the anchor, so it decides; the bogus name
    /// only casts doubt, and its servers' trouble says nothing.
    package static func standing(signed: Finding, bogus: Finding) -> DNSSECStanding {
        switch signed {
        case .success(let answer) where answer.isSecure:
            if case .success(let answer) = bogus, !answer.isSecure {
                return .works(
                    doubt:
                        "\(answer.answer.question) was answered as insecure, though its signatures are known to be wrong"
                )
            }
            return .works(doubt: nil)
        case .success(let answer):
            return .stripped(reason: "\(answer.answer.question) was answered as insecure, though it is signed")
        case .failure(let failure):
            guard case .bogus = failure.cause else { return .unreachable(reason: "\(failure)") }
            return .stripped(reason: "\(failure)")
        }
    }
}
