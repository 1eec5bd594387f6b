import Discovery

/// Several servers, and servers that come and go.
extension ResolverFaultContract {
    /// How a server is dead.
    package enum Death: String, CaseIterable, Sendable {
        /// The host rejects the datagrams (ICMP port unreachable).
        case closedPort
        /// The datagrams vanish.
        case noAnswer
    }

    /// A dead server.
    private func dead(_ death: Death) throws -> FaultyDNSServer {
        let server = try FaultyDNSServer { _ in .noAnswer }
        if death == .closedPort { server.stop() }
        return server
    }

    /// The same address alive again, which may be another object.
    private func revived(_ server: FaultyDNSServer, after death: Death) throws -> FaultyDNSServer {
        guard death == .closedPort else {
            server.setBehavior(DNSBehavior.byName)
            return server
        }
        return try FaultyDNSServer(port: server.port, behavior: DNSBehavior.byName)
    }

    /// With the first server dead the second answers the first question within 1 s, and the following ones within 50 ms
    /// (bound here: 50 ms for the median, 250 ms for all). Time-out 5 s, not scaled.
    package func deadFirstServer(_ death: Death) async throws -> [String] {
        let servers = [try dead(death), try FaultyDNSServer(behavior: DNSBehavior.byName)]
        return try await withClient(servers, timeout: .seconds(5)) { client in
            var violations: [String] = []
            violations.demandEcho(await client.ask("first.test"), within: .seconds(1))
            var times: [Duration] = []
            for number in 0..<20 {
                let result = await client.ask("n\(number).test")
                violations.demandEcho(result, within: .milliseconds(250))
                times.append(result.elapsed)
            }
            let median = times.sorted()[10]
            violations.demand(median <= .milliseconds(50), "the following questions take \(median.seconds) s (median)")
            return violations
        }
    }

    /// The first server comes back and is used again within 30 s, while questions go on; none of them fails.
    package func firstServerReturns(_ death: Death) async throws -> [String] {
        let first = try dead(death)
        let second = try FaultyDNSServer(behavior: DNSBehavior.byName)
        return try await withClient([first, second], timeout: .seconds(5)) { client in
            var violations: [String] = []
            for number in 0..<20 { violations.demandEcho(await client.ask("before\(number).test")) }
            let returned = try revived(first, after: death)
            let started = ContinuousClock.now
            var number = 0
            while !returned.queries.contains(where: { $0.name.hasPrefix("after") }) {
                guard .now - started < .seconds(30) else {
                    return violations + ["the first server is not used within 30 s after its return"]
                }
                violations.demandEcho(await client.ask("after\(number).test"))
                number += 1
                try await Task.sleep(for: .milliseconds(50))
            }
            return violations
        }
    }

    /// With all servers dead each question fails after the time-out, and the first question after the return of one server
    /// succeeds. Time-out 1 s, factor 0.2.
    package func allServersDead(_ death: Death) async throws -> [String] {
        let servers = [try dead(death), try dead(death)]
        return try await withClient(servers, timeout: .seconds(1)) { client in
            var violations: [String] = []
            for round in 0..<2 {
                for result in await client.ask(all: (0..<10).map { "dead\(round)-\($0).test" }) {
                    violations.demandTimeout(result, of: .seconds(1))
                }
            }
            let returned = try revived(servers[1], after: death)
            violations.demandEcho(await client.ask("again.test"))
            returned.stop()
            return violations
        }
    }

    /// A server that answers every question with an error is passed over if the next one works. Time-out 2 s, factor 0.4.
    package func brokenFirstServer(_ code: UInt8) async throws -> [String] {
        let broken = try FaultyDNSServer { _ in DNSBehavior(.responseCode(code)) }
        let servers = [broken, try FaultyDNSServer(behavior: DNSBehavior.byName)]
        return try await withClient(servers, timeout: .seconds(2)) { client in
            var violations: [String] = []
            for number in 0..<20 {
                violations.demandEcho(await client.ask("n\(number).test"), within: .milliseconds(500))
            }
            return violations
        }
    }

    /// The only server starts after the resolver and after a question that failed; the next question succeeds. Time-out 1 s.
    package func serverStartsLater() async throws -> [String] {
        let absent = try dead(.closedPort)
        return try await withClient([absent], timeout: .seconds(1)) { client in
            var violations: [String] = []
            violations.demandTimeout(await client.ask("early.test"), of: .seconds(1))
            let server = try revived(absent, after: .closedPort)
            violations.demandEcho(await client.ask("late.test"))
            server.stop()
            return violations
        }
    }

    /// The only server starts while a question is under way; the question succeeds. Time-out 3 s, factor 0.6.
    package func serverStartsDuringQuestion() async throws -> [String] {
        let absent = try dead(.closedPort)
        return try await withClient([absent], timeout: .seconds(3)) { client in
            async let result = client.ask("early.test")
            // The time is the subject here: the question is sent to a closed port meanwhile.
            try await Task.sleep(for: .milliseconds(500))
            let server = try revived(absent, after: .closedPort)
            var violations: [String] = []
            violations.demandEcho(await result)
            server.stop()
            return violations
        }
    }
}
