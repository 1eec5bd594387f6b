import Foundation
import Testing

/// A typical error of a domain, published in DNS and on a web server, and the reply that Postfix must get.
///
/// The numbers are those of the project's list of pitfalls: errors of real domains.
struct Pitfall: Sendable {
    enum Expected: Sendable {
        /// The policy is found: mail goes to `good.mx.example` or nowhere.
        case policy
        /// The policy cannot be found, and none is cached: as if the domain had no MTA-STS (RFC 8461 §3.3).
        case nothing
        /// Like `nothing`, without a request to the policy host: the record alone decides.
        case nothingAndNoRequest
        /// Like `nothing`, and the log has the result type of RFC 8460 §4.3.
        case certificateRefused, fetchFailed, policyInvalid
        /// There is a policy that Postfix cannot use.
        case temporary

        var reply: String {
            switch self {
            case .policy: secure(MXHost.good.name)
            case .nothing, .nothingAndNoRequest, .certificateRefused, .fetchFailed, .policyInvalid: "NOTFOUND "
            case .temporary: "TEMP "
            }
        }

        var failure: String? {
            switch self {
            case .certificateRefused: "sts-webpki-invalid"
            case .fetchFailed: "sts-policy-fetch-error"
            case .policyInvalid: "sts-policy-invalid"
            case .policy, .nothing, .nothingAndNoRequest, .temporary: nil
            }
        }
    }

    let number: Int
    let name: String
    let expected: Expected
    /// The difference from a correct domain.
    let change: @Sendable (inout TestDomain) -> Void

    init(
        _ number: Int, name: String, expect expected: Expected, change: @escaping @Sendable (inout TestDomain) -> Void
    ) {
        self.number = number
        self.name = name
        self.expected = expected
        self.change = change
    }

    /// An error in the policy text.
    init(_ number: Int, name: String, expect expected: Expected, body: String) {
        self.init(number, name: name, expect: expected) { $0.policyHost?.body = Data(body.utf8) }
    }

    /// An error in the TXT records, each one character-string.
    init(_ number: Int, name: String, expect expected: Expected, records: String...) {
        self.init(number, name: name, expect: expected) { $0.txt = records.map { [$0] } }
    }
}

/// The target of some delegations: a provider with a policy of its own, which no domain may get by mistake.
let provider = TestDomain("provider.example", policy: Policy.enforce("mx.provider.example")).with {
    $0.txt = [["v=STSv1; id=provider;"]]
}

extension TestNetwork {
    /// Publishes all of them, looks them up at once, and compares the replies.
    nonisolated func check(_ pitfalls: [Pitfall], section: String) async throws {
        let domains = pitfalls.enumerated().map { index, pitfall in
            TestDomain("\(section)\(pitfall.number)-\(index).example").with(pitfall.change)
        }
        try await publish(domains + [provider])
        let replies = try await withThrowingTaskGroup(of: (Int, String).self) { group in
            for (index, domain) in domains.enumerated() {
                group.addTask { (index, try await SocketmapClient.ask(domain.name)) }
            }
            return try await group.reduce(into: [Int: String]()) { $0[$1.0] = $1.1 }
        }
        for (index, pitfall) in pitfalls.enumerated() {
            let (reply, domain) = (replies[index] ?? "", domains[index])
            let comment = Comment(rawValue: "\(section)\(pitfall.number): \(pitfall.name) (\(domain.name))")
            if pitfall.expected == .temporary {
                #expect(reply.hasPrefix(pitfall.expected.reply), comment)
            } else {
                #expect(reply == pitfall.expected.reply, comment)
            }
            if let failure = pitfall.expected.failure {
                _ = try await eventually("the log says why \(domain.name) has no policy: \(failure)") {
                    let line = bridge.log.lines().last {
                        $0.contains("domain=\(domain.name) ") && !$0.contains(" debug lookup ")
                    }
                    return line?.contains(failure) == true ? true : nil
                }
            }
            if pitfall.expected == .nothingAndNoRequest {
                #expect(web.requests(to: domain.policyHostName) == [], comment)
            }
        }
        #expect(web.requests(to: provider.policyHostName) == [], "nothing leads to the provider's own policy")
    }
}
