import Testing

extension EndToEnd {
    /// A policy outlives the process that fetched it, however that ends and whatever happens to its file; and nothing
    /// that happens to the file stops mail.
    ///
    /// "Cut off" is a daemon whose DNS servers do not exist: what it answers, it had kept.
    @Suite struct Persistence {}
}

/// Many domains with an enforced policy, for the price of one: wildcards in DNS and in nginx, one certificate.
struct Crowd: Sendable {
    let names: [String]
    let domain: TestDomain

    /// - Parameter label: a label that no other crowd has.
    init(_ label: String, of count: Int) {
        let zone = "\(label).example"
        names = (0..<count).map { "d\($0).\(zone)" }
        domain = TestDomain(zone, policy: Policy.enforce()).with { [names] in
            $0.records = ["*.\(zone). TXT \"v=STSv1; id=1;\"", "*.\(zone). A \(PolicyHost.usual)"]
            $0.policyHost?.server = "server_name *.\(zone);"
            $0.policyHost?.certificate = .naming(["mta-sts.\(zone)"] + names.map { "mta-sts.\($0)" })
        }
    }
}

extension TestNetwork {
    nonisolated func publish(_ crowds: Crowd...) async throws {
        try await publish(crowds.map(\.domain))
    }
}
