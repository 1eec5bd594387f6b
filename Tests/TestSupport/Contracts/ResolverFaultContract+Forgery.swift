import Discovery

/// Malformed, forged and refused answers.
extension ResolverFaultContract {
    /// A malformed answer to one name hurts that name only. Time-out 3 s, factor 0.6.
    package func malformedAnswers() async throws -> [String] {
        let server = try FaultyDNSServer { query in
            guard let corruption = Self.corruption(of: query) else { return .echo(query) }
            return .echo(query).corrupted(corruption)
        }
        return try await withClient([server], timeout: .seconds(3)) { client in
            await besideGoodNames(client) {
                var violations: [String] = []
                for result in await client.ask(all: Self.corruptNames) {
                    // trailingGarbage may be accepted.
                    violations.demand(result.isEcho || result.cause != nil, result.summary)
                    violations.demandEnd(result, timeout: .seconds(3))
                }
                return violations
            }
        }
    }

    /// The answer that follows a malformed one after 0.2 s is used. Time-out 1 s, factor 0.2.
    package func answersAfterMalformedOnes() async throws -> [String] {
        let server = try FaultyDNSServer { query in
            guard let corruption = Self.corruption(of: query) else { return .echo(query) }
            return .echo(query).forged([.malformed(corruption)]).delayed(by: .milliseconds(200))
        }
        return try await withClient([server], timeout: .seconds(1)) { client in
            await besideGoodNames(client) {
                var violations: [String] = []
                for result in await client.ask(all: Self.corruptNames) { violations.demandEcho(result) }
                return violations
            }
        }
    }

    /// The answer that follows forged ones after 0.2 s is used. Time-out 1 s, factor 0.2.
    package func answersAfterForgedOnes() async throws -> [String] {
        let server = try FaultyDNSServer { query in
            .echo(query).forged(Self.forgeries(of: query)).delayed(by: .milliseconds(200))
        }
        return try await withClient([server], timeout: .seconds(1)) { client in
            var violations: [String] = []
            let names = DNSForgery.impostors.indices.map { "f\($0).forged.test" } + ["all.forged.test"]
            for result in await client.ask(all: names) { violations.demandEcho(result) }
            return violations
        }
    }

    /// Without the real answer a question with forged answers fails like one without answers. Time-out 3 s, factor 0.6.
    package func forgedAnswersAlone() async throws -> [String] {
        let server = try FaultyDNSServer { query in
            query.name.hasSuffix("forged.test") ? .noAnswer.forged(Self.forgeries(of: query)) : .echo(query)
        }
        return try await withClient([server], timeout: .seconds(3)) { client in
            await besideGoodNames(client) {
                var violations: [String] = []
                let names = DNSForgery.impostors.indices.map { "f\($0).forged.test" }
                for result in await client.ask(all: names) { violations.demandTimeout(result, of: .seconds(3)) }
                return violations
            }
        }
    }

    /// SERVFAIL, REFUSED, FORMERR and NOTIMP for one name hurt that name only. Time-out 1 s, factor 0.2.
    package func errorCodes() async throws -> [String] {
        let codes: [UInt8] = [1, 2, 4, 5]
        let server = try FaultyDNSServer { query in
            let code = codes.first { query.name == "code\($0).test" }
            return code.map { DNSBehavior(.responseCode($0)) } ?? .echo(query)
        }
        return try await withClient([server], timeout: .seconds(1)) { client in
            await besideGoodNames(client) {
                var violations: [String] = []
                for result in await client.ask(all: codes.map { "code\($0).test" }) {
                    violations.demand(result.cause != nil, result.summary)
                    violations.demandEnd(result, timeout: .seconds(1))
                }
                return violations
            }
        }
    }

    /// RFC 5452 §9.2: ids and source ports of 1,000 questions look random. The bounds hold for uniform numbers from 2¹⁶
    /// ids and at least 20,000 ports, except in less than one of 10⁶ runs.
    package func unpredictableQueries() async throws -> [String] {
        let server = try FaultyDNSServer(behavior: DNSBehavior.byName)
        return try await withClient([server], timeout: .seconds(5)) { client in
            var violations: [String] = []
            for batch in 0..<50 {
                let names = (0..<20).map { "n\(batch * 20 + $0).fine.test" }
                for result in await client.ask(all: names) { violations.demandEcho(result) }
            }
            let first = server.queries.filter { $0.transmission == 1 && $0.type == RecordType.txt.rawValue }
            violations += Self.violations(first.map(\.id), description: "ids", distinct: 970)
            violations += Self.violations(first.map(\.sourcePort), description: "source ports", distinct: 940)
            return violations
        }
    }

    private static func violations(_ numbers: [UInt16], description what: String, distinct: Int) -> [String] {
        guard let least = numbers.min(), let greatest = numbers.max(), numbers.count >= 1_000
        else { return ["\(numbers.count) \(what) instead of 1,000"] }
        var violations: [String] = []
        violations.demand(Set(numbers).count >= distinct, "\(Set(numbers).count) distinct \(what) of \(numbers.count)")
        violations.demand(greatest - least >= 20_000, "\(what) from \(least) to \(greatest) only")
        let middle = (Int(least) + Int(greatest)) / 2
        let lower = numbers.count { Int($0) <= middle }
        violations.demand(
            (numbers.count * 2 / 5...numbers.count * 3 / 5).contains(lower),
            "\(lower) of \(numbers.count) \(what) in the lower half of their range")
        var steps: [UInt16: Int] = [:]
        for (number, next) in zip(numbers, numbers.dropFirst()) { steps[next &- number, default: 0] += 1 }
        let most = steps.values.max() ?? 0
        violations.demand(most <= 10, "one step between \(what) occurs \(most) times")
        return violations
    }

    private static var corruptNames: [String] {
        DNSCorruption.allCases.map { "\($0.rawValue.lowercased()).corrupt.test" }
    }

    private static func corruption(of query: DNSQuery) -> DNSCorruption? {
        DNSCorruption.allCases.first { query.name == "\($0.rawValue.lowercased()).corrupt.test" }
    }

    private static func forgeries(of query: DNSQuery) -> [DNSForgery] {
        let one = DNSForgery.impostors.indices.first { query.name == "f\($0).forged.test" }
        return one.map { [DNSForgery.impostors[$0]] } ?? DNSForgery.impostors
    }
}
