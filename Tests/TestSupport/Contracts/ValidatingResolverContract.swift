import Discovery

/// What every validating resolver does, the real one and its fake. Each is set up with these names, by its own means:
///
///     there.secure.test.     300  TXT    "here"                      signed
///     alias.secure.test.     300  CNAME  there.secure.test.          signed
///     away.secure.test.      300  CNAME  there.insecure.test.        signed
///     there.insecure.test.   300  TXT    "here"                      not signed
///     there.bogus.test.      300  TXT    "here"                      signed, and the signatures do not hold
///     nowhere.secure.test.   not there, which is signed; nowhere.insecure.test. not there either
package struct ValidatingResolverContract: Sendable {
    private let resolver: any ValidatingResolver

    package init(_ resolver: any ValidatingResolver) {
        self.resolver = resolver
    }

    /// What does not hold, in words.
    package func violations() async -> [String] {
        var violations: [String] = []
        func demand(_ holds: Bool, description what: String) {
            if !holds { violations.append(what) }
        }
        let here = DNSAnswer.Content.records([[4] + Array("here".utf8)])
        let there = await ask("there.secure.test", type: .txt)
        demand(there?.answer.content == here, description: "records come as RDATA")
        demand(there?.answer.timeToLive == 300, description: "with their TTL")
        demand(there?.answer.question.description == "there.secure.test TXT", description: "with their question")
        demand(there?.isSecure == true, description: "what is signed is secure")
        demand(
            there?.canonicalName == "there.secure.test",
            description: "without aliases the canonical name is the question's")

        let plain = await ask("there.insecure.test", type: .txt)
        demand(plain?.answer.content == here, description: "what is not signed is an answer")
        demand(plain?.isSecure == false, description: "and insecure")

        let alias = await ask("alias.secure.test", type: .txt)
        demand(alias?.answer.content == here, description: "aliases are followed")
        demand(alias?.isSecure == true, description: "within what is signed securely")
        demand(alias?.canonicalName == "there.secure.test", description: "the canonical name is the last target")

        let away = await ask("away.secure.test", type: .txt)
        demand(away?.answer.content == here, description: "aliases are followed out of what is signed")
        demand(away?.isSecure == false, description: "one insecure link makes the answer insecure")
        demand(away?.canonicalName == "there.insecure.test", description: "and keeps its canonical name")

        let link = await ask("away.secure.test", type: .cname)
        let target = DNSAnswer.Content.records([wire("there.insecure.test")])
        demand(link?.answer.content == target, description: "a CNAME question follows nothing")
        demand(link?.isSecure == true, description: "the first link has its own security")
        demand(link?.canonicalName == "away.secure.test", description: "and the question's name")

        let nowhere = await ask("nowhere.secure.test", type: .txt)
        let isSecureNXDOMAIN = nowhere?.answer.content == .nameError && nowhere?.isSecure == true
        demand(isSecureNXDOMAIN, description: "NXDOMAIN may be secure")
        let unknown = await ask("nowhere.insecure.test", type: .txt)
        demand(
            unknown?.answer.content == .nameError && unknown?.isSecure == false, description: "NXDOMAIN may be insecure"
        )
        let none = await ask("there.secure.test", type: .tlsa)
        demand(none?.answer.content == .noData && none?.isSecure == true, description: "NODATA may be secure")

        let bogus = DNSQuestion(name: "there.bogus.test", type: .txt)
        do {
            _ = try await resolver.resolveValidated(bogus)
            violations.append("bogus is thrown, never answered")
        } catch {
            demand(error.question == bogus, description: "a failure names its question")
            demand(!error.servers.isEmpty, description: "a failure names the servers")
            if case .bogus(let why) = error.cause {
                demand(!why.isEmpty, description: "bogus says why")
            } else {
                violations.append("bogus is a cause of its own, not \(error.cause)")
            }
        }
        return violations
    }

    private func ask(_ name: String, type: RecordType) async -> ValidatedAnswer? {
        try? await resolver.resolveValidated(DNSQuestion(name: name, type: type))
    }

    private func wire(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }
}
