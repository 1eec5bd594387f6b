import Discovery

/// What every validating resolver does, the real one and its twin. Each is set up with these names, by its own means:
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
        func demand(_ holds: Bool, _ what: String) {
            if !holds { violations.append(what) }
        }
        let here = DNSAnswer.Content.records([[4] + Array("here".utf8)])
        let there = await ask("there.secure.test", .txt)
        demand(there?.answer.content == here, "records come as RDATA")
        demand(there?.answer.timeToLive == 300, "with their TTL")
        demand(there?.answer.question == DNSQuestion(name: "there.secure.test", type: .txt), "with their question")
        demand(there?.isSecure == true, "what is signed is secure")
        demand(there?.canonicalName == "there.secure.test", "without aliases the canonical name is the question's")

        let plain = await ask("there.insecure.test", .txt)
        demand(plain?.answer.content == here, "what is not signed is an answer")
        demand(plain?.isSecure == false, "and insecure")

        let alias = await ask("alias.secure.test", .txt)
        demand(alias?.answer.content == here, "aliases are followed")
        demand(alias?.isSecure == true, "within what is signed securely")
        demand(alias?.canonicalName == "there.secure.test", "the canonical name is the last alias's target")

        let away = await ask("away.secure.test", .txt)
        demand(away?.answer.content == here, "aliases are followed out of what is signed")
        demand(away?.isSecure == false, "one insecure link makes the answer insecure")
        demand(away?.canonicalName == "there.insecure.test", "its canonical name is told all the same")

        let link = await ask("away.secure.test", .cname)
        demand(link?.answer.content == .records([wire("there.insecure.test")]), "asked for CNAME nothing is followed")
        demand(link?.isSecure == true, "the first link has its own security")
        demand(link?.canonicalName == "away.secure.test", "and the question's name")

        let nowhere = await ask("nowhere.secure.test", .txt)
        demand(nowhere?.answer.content == .nameError && nowhere?.isSecure == true, "NXDOMAIN may be secure")
        let unknown = await ask("nowhere.insecure.test", .txt)
        demand(unknown?.answer.content == .nameError && unknown?.isSecure == false, "NXDOMAIN may be insecure")
        let none = await ask("there.secure.test", .tlsa)
        demand(none?.answer.content == .noData && none?.isSecure == true, "NODATA may be secure")

        let bogus = DNSQuestion(name: "there.bogus.test", type: .txt)
        do {
            _ = try await resolver.resolveValidated(bogus)
            violations.append("bogus is thrown, never answered")
        } catch {
            demand(error.question == bogus, "a failure names its question")
            demand(!error.servers.isEmpty, "a failure names the servers")
            if case .bogus(let why) = error.cause {
                demand(!why.isEmpty, "bogus says why")
            } else {
                violations.append("bogus is a cause of its own, not \(error.cause)")
            }
        }
        return violations
    }

    private func ask(_ name: String, _ type: RecordType) async -> ValidatedAnswer? {
        try? await resolver.resolveValidated(DNSQuestion(name: name, type: type))
    }

    private func wire(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }
}
