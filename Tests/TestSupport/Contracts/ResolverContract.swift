import Discovery

/// What every resolver does, the real one and its fake. Each is set up with the zone below, by its own means:
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
        func demand(_ holds: Bool, description what: String) {
            if !holds { violations.append(what) }
        }
        let here = DNSAnswer.Content.records([[4] + Array("here".utf8)])
        let there = await ask("there.contract.test", type: .txt)
        demand(there?.content == here, description: "records come as RDATA")
        demand(there?.timeToLive == 300, description: "with their TTL")
        demand(there?.question.name == "there.contract.test", description: "an answer names its question")
        demand(await ask("alias.contract.test", type: .txt)?.content == here, description: "aliases are followed")
        demand(
            await ask("nowhere.contract.test", type: .txt)?.content == .nameError, description: "NXDOMAIN is an answer")
        demand(await ask("there.contract.test", type: .a)?.content == .noData, description: "NODATA is an answer")
        do {
            _ = try await resolver.resolve(DNSQuestion(name: "loop.contract.test", type: .txt))
            violations.append("a failure is thrown, never answered")
        } catch {
            demand(
                error.question == DNSQuestion(name: "loop.contract.test", type: .txt),
                description: "a failure names its question")
            demand(!error.servers.isEmpty, description: "a failure names the servers")
        }
        return violations
    }

    private func ask(_ name: String, type: RecordType) async -> DNSAnswer? {
        try? await resolver.resolve(DNSQuestion(name: name, type: type))
    }
}
