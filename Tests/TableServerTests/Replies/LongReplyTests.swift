import Foundation
import TableServer
import PostfixTable
import TestSupport
import Testing

/// Replies around and above 65,536 octets, where a channel stops being writable within a write. Over real sockets: a
/// testing channel does not call back from within a write.
@Suite(.serialized, .timeLimit(.minutes(5))) struct LongReplyTests {
    /// A protocol, and the dialect of the replies: from the map name, or for tcp_table the configured one.
    struct Way: Sendable, CustomTestStringConvertible {
        let table: TableProtocol
        let dialect: Dialect

        var testDescription: String { "\(table.rawValue), \(dialect.rawValue)" }

        static let all = [TableProtocol.socketmap, .tcpTable].flatMap { table in
            Dialect.allCases.map { Way(table: table, dialect: $0) }
        }

        func exchanges(_ domains: [SizedDomain]) -> [Exchange] {
            domains.map { exchange($0.name, reply: $0.reply) }
        }

        func exchange(_ key: String, reply: TableReply) -> Exchange {
            Exchange(key, reply: reply, over: table, mapName: dialect.rawValue, dialect: dialect)
        }
    }

    /// Octets of whole socketmap replies in dialect `sts`; 100,008 is the longest one.
    private static let long = Result {
        try [65_530, 65_535, 65_536, 65_537, 65_543, 70_000, 99_999, 100_000, 100_008].map {
            try SizedDomain("long\($0).example", octets: $0)
        }
    }

    /// Replies that are long for tcp_table, where Postfix takes 4,095 octets, and shorter ones.
    private static let short = Result {
        try [1_000, 4_000, 8_000, 12_000].map { try SizedDomain("short\($0).example", octets: $0) }
    }

    @Test(arguments: Way.all)
    func `each request gets its own reply after replies above 65,536 octets`(way: Way) async throws {
        let (long, short) = (try Self.long.get(), try Self.short.get())
        let behind = way.exchanges(short) + [way.exchange("localhost", reply: .notFound)]
        let exchanges = way.exchanges(long).flatMap { [$0] + behind }
        // Other replies are shorter, so it takes more of them to reach 65,536 octets.
        let pipelined = way.dialect == .sts && way.table == .socketmap ? exchanges : exchanges + exchanges + exchanges
        try await serve(way, domains: long + short) { address in
            for (depth, exchanges) in [(1, exchanges), (1_000, pipelined)] {
                let pace = SlowClient.Pace(depth: depth, pieces: 100...3_000)
                try await SlowClient(address: address, pace: pace, seed: 1).talk(exchanges)
            }
        }
    }

    @Test func `all replies before a malformed request arrive, even if the client has stopped sending`()
        async throws
    {
        let way = Way(table: .socketmap, dialect: .sts)
        let long = try Self.long.get()
        let exchanges = way.exchanges(long)
        try await serve(way, domains: long) { address in
            let pace = SlowClient.Pace(depth: 1_000, pieces: 100...3_000, halfClosesEarly: true)
            let client = SlowClient(address: address, pace: pace, seed: 1)
            try await client.talk(exchanges + exchanges + [Exchange(malformedOver: way.table)])
        }
    }

    /// Runs a server around a test, which it calls with a TCP and a unix address.
    private func serve(
        _ way: Way, domains: [SizedDomain], _ test: @Sendable @escaping (SlowClient.Address) async throws -> Void
    ) async throws {
        let fixture = TableFixture()
        for domain in domains { fixture.publish(domain.name, policy: domain.policy) }
        let path = NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8)).sock"
        let addresses = [ListenAddress.unix(path: path), .tcp(host: "127.0.0.1", port: 0)]
        let (socketmap, tcpTable) = way.table == .socketmap ? (addresses, []) : ([], addresses)
        let settings = LookupSettings(dialect: way.dialect, lingering: .seconds(30))
        try await fixture.serve(socketmap: socketmap, tcpTable: tcpTable, settings: settings) { _, ports in
            try await test(.tcp(port: ports[0]))
            try await test(.unix(path: path))
        }
    }
}
