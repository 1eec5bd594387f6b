import Discovery

/// Lost datagrams, truncation and TCP.
extension ResolverFaultContract {
    /// With a share of datagrams lost in each direction, `required` of 1,000 questions succeed. Time-out 5 s, not scaled.
    /// The questions start within 2 s.
    package func loss(_ share: Double, required: Int) async throws -> [String] {
        let server = try FaultyDNSServer(loss: DNSLoss(share), behavior: DNSBehavior.byName)
        return try await withClient([server], timeout: .seconds(5)) { client in
            let tally = await AskTally(
                client, zone: "fine.test", perSecond: 500, for: .seconds(2), timeout: .seconds(5))
            return tally.asked - tally.failed >= required
                ? [] : ["\(tally.failed) of \(tally.asked) fail, the first: \(tally.firstFailure ?? "")"]
        }
    }

    /// TC leads to TCP (RFC 7766 §5), also for an answer of 25 KB.
    package func truncation() async throws -> [String] {
        let text = String(repeating: "x", count: 240)
        let large = DNSBehavior(.records((0..<100).map { DNSBehavior.string("\($0)\(text)") }))
        let server = try FaultyDNSServer { query in
            (query.name == "large.test" ? large : .echo(query)).truncated()
        }
        return try await withClient([server], timeout: .seconds(2)) { client in
            var violations: [String] = []
            for result in await client.ask(all: (0..<20).map { "n\($0).test" }) { violations.demandEcho(result) }
            let result = await client.ask("large.test")
            guard case .records(let data) = result.content else { return violations + [result.summary] }
            violations.demand(data.count == 100, "large.test has \(data.count) records instead of 100")
            return violations
        }
    }

    /// A TCP connection that stalls or breaks fails its own questions only. Time-out 1 s, factor 0.2.
    package func stalledTCP() async throws -> [String] {
        let faults: [DNSBehavior.TCPFault] = [.stall, .stallAfterHalf, .close]
        let server = try FaultyDNSServer { query in
            let fault = faults.indices.first { query.name == "f\($0).stalled.test" }.map { faults[$0] }
            if let fault { return .echo(query).truncated().overTCP(fault) }
            return query.name.hasSuffix("large.test") ? .echo(query).truncated() : .echo(query)
        }
        return try await withClient([server], timeout: .seconds(1)) { client in
            await besideGoodNames(client) {
                async let stalled = client.ask(all: faults.indices.map { "f\($0).stalled.test" })
                var violations: [String] = []
                await server.received { $0.contains { $0.overTCP && $0.name.hasSuffix("stalled.test") } }
                for result in await client.ask(all: (0..<20).map { "n\($0).large.test" }) {
                    violations.demandEcho(result)
                }
                for result in await stalled {
                    violations.demand(result.cause != nil, result.summary)
                    violations.demandEnd(result, timeout: .seconds(1))
                }
                return violations
            }
        }
    }
}
