import Discovery

/// What every resolver does, the real one and its twin. Each is set up with the zone below, by its own means:
///
///     there.contract.test.  300  TXT  "here"
///     alias.contract.test.  300  CNAME there.contract.test.
///     loop.contract.test.   300  CNAME loop.contract.test.    (a failure, in whatever way)
package struct ResolverContract: Sendable {
    private let resolver: any Resolver

    package init(_ resolver: any Resolver) {
        self.resolver = resolver
    }

    /// What does not hold, in words.
    package func violations() async -> [String] {
        var violations: [String] = []
        func demand(_ holds: Bool, _ what: String) {
            if !holds { violations.append(what) }
        }
        let here = DNSAnswer.Content.records([[4] + Array("here".utf8)])
        let there = await ask("there.contract.test", .txt)
        demand(there?.content == here, "records come as RDATA")
        demand(there?.timeToLive == 300, "with their TTL")
        demand(there?.question.name == "there.contract.test", "an answer names its question")
        demand(await ask("alias.contract.test", .txt)?.content == here, "aliases are followed")
        demand(await ask("nowhere.contract.test", .txt)?.content == .nameError, "NXDOMAIN is an answer")
        demand(await ask("there.contract.test", .a)?.content == .noData, "NODATA is an answer")
        do {
            _ = try await resolver.resolve(DNSQuestion(name: "loop.contract.test", type: .txt))
            violations.append("a failure is thrown, never answered")
        } catch {
            demand(
                error.question == DNSQuestion(name: "loop.contract.test", type: .txt), "a failure names its question")
            demand(!error.servers.isEmpty, "a failure names the servers")
        }
        return violations
    }

    private func ask(_ name: String, _ type: RecordType) async -> DNSAnswer? {
        try? await resolver.resolve(DNSQuestion(name: name, type: type))
    }
}
