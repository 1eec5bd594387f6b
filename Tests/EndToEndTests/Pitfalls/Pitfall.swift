import Foundation
import Testing

/// A way in which real domains are broken, set up in real DNS and on a real web server, and what Postfix must be told.
///
/// Numbers are those of the project's list of pitfalls: broken domains that were seen in the wild.
struct Pitfall: Sendable {
    enum Expected: Sendable {
        /// The policy is found: mail goes to `good.mx.example` or nowhere.
        case policy
        /// No policy to be had, nothing cached: as if the domain had no MTA-STS (RFC 8461 §3.3).
        case nothing
        /// As `nothing`, and nobody asked the policy host: the record alone settles it.
        case nothingAndNoRequest
        /// As `nothing`, and the log calls it by the name that RFC 8460 §4.3 has for it.
        case certificateRefused, fetchFailed, policyInvalid
        /// There is a policy and Postfix cannot be given it.
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
    let what: String
    let expected: Expected
    /// What is different from a domain that does all as it should be done.
    let change: @Sendable (inout LabDomain) -> Void

    init(_ number: Int, _ what: String, _ expected: Expected, _ change: @escaping @Sendable (inout LabDomain) -> Void) {
        self.number = number
        self.what = what
        self.expected = expected
        self.change = change
    }

    /// A pitfall of the policy text.
    init(_ number: Int, _ what: String, _ expected: Expected, body: String) {
        self.init(number, what, expected) { $0.policyHost?.body = Data(body.utf8) }
    }

    /// A pitfall of the TXT records, each given as one character-string.
    init(_ number: Int, _ what: String, _ expected: Expected, records: String...) {
        self.init(number, what, expected) { $0.txt = records.map { [$0] } }
    }
}

/// Where the delegations of some pitfalls lead: a provider with a policy of its own, which nobody may get by mistake.
let provider = LabDomain("provider.example", policy: Policy.enforce("mx.provider.example")).with {
    $0.txt = [["v=STSv1; id=provider;"]]
}

extension Lab {
    /// Sets all of them up, asks for all at once, and compares.
    nonisolated func check(_ pitfalls: [Pitfall], section: String) async throws {
        let domains = pitfalls.enumerated().map { index, pitfall in
            LabDomain("\(section)\(pitfall.number)-\(index).example").with(pitfall.change)
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
            let comment = Comment(rawValue: "\(section)\(pitfall.number): \(pitfall.what) (\(domain.name))")
            if pitfall.expected == .temporary {
                #expect(reply.hasPrefix(pitfall.expected.reply), comment)
            } else {
                #expect(reply == pitfall.expected.reply, comment)
            }
            if let failure = pitfall.expected.failure {
                let told = bridge.log.lines().last {
                    $0.contains("domain=\(domain.name) ") && !$0.contains(" debug lookup ")
                }
                let line = told ?? "nothing is logged"
                #expect(line.contains(failure), comment)
            }
            if pitfall.expected == .nothingAndNoRequest {
                #expect(web.requests(to: domain.policyHostName) == [], comment)
            }
        }
        #expect(web.requests(to: provider.policyHostName) == [], "nothing leads to the provider's own policy")
    }
}
