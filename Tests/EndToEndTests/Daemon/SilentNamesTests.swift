import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Lookups of names without an answer never cost another domain its protection: with a Postfix, while the DNS server of the
    /// bridge does not answer hundreds of names.
    @Suite struct SilentNamesTests {
        private static let port: UInt16 = 8499
        /// Connections of the storm; each has 100 lookups open (`maximumPending`) for 2 s (`dns.timeout`): 150 a second.
        private static let connections = 3
        private static let namesEach = 3_000

        /// The test network's DNS; names below `dead.test` are never answered.
        private static func resolver() throws -> FaultyDNSServer {
            try FaultyDNSServer { query in
                guard !query.name.hasSuffix("dead.test"), let response = try? forward(query) else { return .noAnswer }
                return DNSBehavior(.message(response))
            }
        }

        private static func forward(_ query: DNSQuery) throws -> [UInt8] {
            let connection = try TCPConnection(to: KnotServer.address, port: 53, timeout: 2)
            let octets = query.bytes
            try connection.write([UInt8(octets.count >> 8), UInt8(octets.count & 0xFF)] + octets)
            var response: [UInt8] = []
            while response.count < 2 || response.count < Int(response[0]) << 8 + Int(response[1]) + 2 {
                let more = try connection.read(upTo: 65_537)
                guard !more.isEmpty else { throw TestNetworkError("knotd closed the connection") }
                response += more
            }
            return Array(response[2...])
        }

        /// Looks up silent names, 100 at once on each connection, until the bridge closes the connections.
        private static func storm() async {
            await withDiscardingTaskGroup { group in
                for number in 0..<connections {
                    group.addTask {
                        let names = (0..<namesEach).map { "d\(number)x\($0).dead.test" }
                        await SocketmapClient.pipeline(names, port: port)
                    }
                }
            }
        }

        private func withSender(in network: TestNetwork, perform body: (PostfixSender) async throws -> Void)
            async throws
        {
            let sender = try await PostfixSender(
                in: network.directory + "/storm-sender", authority: network.authority, port: Self.port)
            try await sender.instance.start()
            do {
                try await body(sender)
            } catch {
                try? await sender.instance.stop()
                throw error
            }
            try await sender.instance.stop()
        }

        @Test func `with 150 silent names a second, each first mail to an enforced domain is verified or waits`()
            async throws
        {
            let network = try TestNetwork.running
            let good = (0..<8).map { "storm\($0).example" }
            try await network.publish(
                good.map { TestDomain($0, policy: Policy.enforce()) } + [
                    TestDomain("storm-bad.example", mx: [.selfSigned], policy: Policy.enforce(MXHost.selfSigned.name))
                ])
            let resolver = try Self.resolver()
            defer { resolver.stop() }
            try await network.withBridge(
                port: Self.port, surroundings: BridgeEnvironment(servers: [resolver.address])
            ) { bridge in
                try await withSender(in: network) { sender in
                    async let storm: Void = Self.storm()
                    await resolver.received { queries in
                        Set(queries.lazy.filter { $0.name.hasSuffix("dead.test") }.map(\.name)).count >= 300
                    }
                    for domain in good {
                        try await network.expectVerified(try await sender.send(to: "u@\(domain)"), at: .good)
                    }
                    network.expectDeferred(
                        try await sender.send(to: "u@storm-bad.example"), because: ": self-signed certificate")
                    let silent = Set(resolver.queries.lazy.filter { $0.name.hasSuffix("dead.test") }.map(\.name)).count
                    #expect(silent >= 300)
                    let failed = bridge.log.lines().filter {
                        $0.contains("record lookup failed") && $0.contains("storm")
                    }
                    #expect(failed == [])
                    try await bridge.kill()
                    await storm
                    try await bridge.start()
                }
            }
        }
    }
}

extension SocketmapClient {
    /// Sends all lookups at once and reads replies until the connection ends.
    fileprivate static func pipeline(_ keys: [String], port: UInt16) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                let requests = keys.map { "postfix \($0)" }.map { "\($0.utf8.count):\($0)," }.joined()
                if let connection = try? TCPConnection(to: "127.0.0.1", port: port) {
                    try? connection.write(Array(requests.utf8))
                    while let some = try? connection.read(upTo: 65_536), !some.isEmpty {}
                }
                continuation.resume()
            }
        }
    }
}
