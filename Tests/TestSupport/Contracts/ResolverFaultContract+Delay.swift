import Discovery

/// Slow answers and no answers.
extension ResolverFaultContract {
    /// Answers after 0.5, 1, 2 and 4 s of a time-out of 5 s are used at most 0.2 s after they arrive. Factor 0.4.
    package func slowAnswers() async throws -> [String] {
        let server = try FaultyDNSServer(behavior: DNSBehavior.byName)
        return try await withClient([server], timeout: .seconds(2)) { client in
            var violations: [String] = []
            let delays = [200, 400, 800, 1_600]
            let results = await client.ask(all: delays.map { "a.after\($0).test" })
            for (delay, result) in zip(delays, results) {
                violations.demandEcho(result, within: .milliseconds(delay + 200))
            }
            violations.demandEcho(await client.ask("good.fine.test"), within: .milliseconds(200))
            return violations
        }
    }

    /// The server answers the first transmission late, and no later transmission. Time-out 2 s, factor 0.4.
    package func lateAnswerToFirstTransmission() async throws -> [String] {
        let server = try FaultyDNSServer { query in
            query.transmission == 1 ? .echo(query).delayed(by: .milliseconds(1_500)) : .noAnswer
        }
        return try await withClient([server], timeout: .seconds(2)) { client in
            var violations: [String] = []
            violations.demandEcho(await client.ask("a.test"), within: .milliseconds(1_700))
            violations.demand(server.queries.count > 1, "there is no retransmission within 1.5 s")
            return violations
        }
    }

    /// Further copies of an answer change nothing, neither for its question nor for later ones.
    package func duplicatedAnswers() async throws -> [String] {
        let server = try FaultyDNSServer { DNSBehavior.echo($0).duplicated(copies: 3) }
        return try await withClient([server], timeout: .seconds(2)) { client in
            var violations: [String] = []
            for result in await client.ask(all: (0..<50).map { "n\($0).test" }) { violations.demandEcho(result) }
            return violations
        }
    }

    /// A question without an answer fails after the time-out, not sooner. Time-out 3 s, factor 0.6.
    package func silentName() async throws -> [String] {
        let server = try FaultyDNSServer(behavior: DNSBehavior.byName)
        return try await withClient([server], timeout: .seconds(3)) { client in
            await besideGoodNames(client) {
                var violations: [String] = []
                for result in await client.ask(all: ["a.silent.test", "b.silent.test"]) {
                    violations.demandTimeout(result, of: .seconds(3))
                }
                return violations
            }
        }
    }

    /// New silent names at a steady rate beside good names: no good name fails, no silent name fails early. Time-out 1 s,
    /// factor 0.2; 3 s of silent names alone, then 3 s beside good names, so that as many questions are open as in a long
    /// storm.
    package func silentNames(perSecond silent: Int, goodPerSecond good: Int) async throws -> [String] {
        let server = try FaultyDNSServer(behavior: DNSBehavior.byName)
        let timeout: Duration = .seconds(1)
        return try await withClient([server], timeout: timeout) { client in
            let storm = SilentNameStorm(silentPerSecond: silent, goodPerSecond: good, duration: .seconds(3))
            let (silent, good) = await storm.run(on: client, timeout: timeout)
            var violations: [String] = []
            violations.demand(good.asked > 0, "no good name was asked")
            violations.demand(
                good.failed == 0,
                "\(good.failed) of \(good.asked) good names fail, the first: \(good.firstFailure ?? "")")
            violations.demand(
                silent.early == 0,
                "\(silent.early) of \(silent.asked) silent names fail early, the first: \(silent.firstEarly ?? "")")
            return violations
        }
    }
}
