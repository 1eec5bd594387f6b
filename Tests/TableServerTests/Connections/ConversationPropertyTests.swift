import Foundation
import Logging
import TableServer
import PostfixTable
import TestSupport
import Testing

/// Random clients against a simple model: the list of replies in the order of the requests.
@Suite(.timeLimit(.minutes(5))) struct ConversationPropertyTests {
    private static let rounds = 200
    private static let time = Duration.seconds(5)

    @Test(arguments: [Logger.Level.debug, .info])
    func `each client gets the replies to its requests in their order, whatever its pace`(
        logLevel: Logger.Level
    ) async throws {
        // To repeat a run that failed, write its seed here.
        let seed = UInt64.random(in: 0 ... .max)
        var generator = Seeded(seed)
        let domains = try Self.domains(&generator)
        let fixture = TableFixture(logLevel: logLevel)
        for domain in domains { fixture.publish(domain.name, policy: domain.policy) }
        let path = NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8))"
        let (socketmap, tcpTable) = ("\(path).s", "\(path).t")
        let tcp = ListenAddress.tcp(host: "127.0.0.1", port: 0)
        let start = generator
        try await fixture.serve(
            socketmap: [tcp, .unix(path: socketmap)], tcpTable: [tcp, .unix(path: tcpTable)]
        ) { server, ports in
            var generator = start
            let end = ContinuousClock.now + Self.time
            for round in 0..<Self.rounds where round == 0 || ContinuousClock.now < end {
                let plan = RoundPlan(round: round, domains: domains, generator: &generator)
                try await server.change(
                    socketmap: [tcp, .unix(path: socketmap)], tcpTable: [tcp, .unix(path: tcpTable)],
                    settings: plan.settings)
                let isSocketmap = plan.table == .socketmap
                let address: SlowClient.Address =
                    plan.isUnix
                    ? .unix(path: isSocketmap ? socketmap : tcpTable) : .tcp(port: ports[isSocketmap ? 0 : 1])
                do {
                    try await SlowClient(address: address, pace: plan.pace, seed: plan.seed).talk(plan.exchanges)
                } catch {
                    Issue.record("seed \(seed), round \(round), \(plan): \(error)")
                    return
                }
            }
        }
    }

    /// Sizes of all magnitudes, and around 65,536 octets.
    private static func domains(_ generator: inout Seeded) throws -> [SizedDomain] {
        try (0..<16).map { number in
            let octets =
                number < 6
                ? Int.random(in: 65_520...65_550, using: &generator)
                : Int(exp(Double.random(in: log(1_000)...log(100_008), using: &generator)))
            return try SizedDomain("domain\(number).example", octets: octets)
        }
    }
}

/// The behaviour of one client.
private struct RoundPlan: CustomStringConvertible {
    let table: TableProtocol
    let isUnix: Bool
    let settings: LookupSettings
    let exchanges: [Exchange]
    let pace: SlowClient.Pace
    let seed: UInt64

    init(round: Int, domains: [SizedDomain], generator: inout Seeded) {
        table = Int.random(in: 0..<4, using: &generator) == 0 ? .tcpTable : .socketmap
        isUnix = Bool.random(using: &generator)
        let dialect = Int.random(in: 0..<2, using: &generator) == 0 ? Dialect.sts : .randomElement(using: &generator)
        settings = LookupSettings(
            dialect: dialect, maximumPending: Int.random(in: 1...100, using: &generator), lingering: .seconds(30))
        // Small pieces need many reads, so the total is smaller.
        let (octets, piece) =
            [(20_000, 64), (200_000, 4_096), (1_000_000, 65_536)]
            .randomElement(using: &generator) ?? (20_000, 64)
        var exchanges: [Exchange] = []
        var total = 0
        let count = Int.random(in: 1...300, using: &generator)
        while exchanges.count < count, total < octets {
            let (key, reply) = Self.request(
                number: "\(round)-\(exchanges.count)", domains: domains, generator: &generator)
            let exchange = Exchange(key, reply: reply, over: table, mapName: "any", dialect: dialect)
            total += exchange.reply.count
            exchanges.append(exchange)
        }
        if Int.random(in: 0..<4, using: &generator) == 0 { exchanges.append(Exchange(malformedOver: table)) }
        self.exchanges = exchanges
        pace = SlowClient.Pace(
            depth: [1, 2, Int.random(in: 3...20, using: &generator), 1_000].randomElement(using: &generator) ?? 1,
            pieces: 1...Int.random(in: 1...piece, using: &generator),
            receiveBuffer: [2_048, 16_384, 262_144].randomElement(using: &generator) ?? 2_048,
            pauses: 0...[0, 100, 2_000][Int.random(in: 0..<3, using: &generator)],
            halfClosesEarly: Bool.random(using: &generator),
            leavesAfter: Int.random(in: 0..<6, using: &generator) == 0
                ? Int.random(in: 0...total, using: &generator) : nil)
        seed = generator.next()
    }

    /// Known domains, keys without a policy domain, and sometimes a name that needs a discovery.
    private static func request(
        number: String, domains: [SizedDomain], generator: inout Seeded
    ) -> (String, TableReply) {
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: return ("new-\(number).example", .notFound)
        case 1...3: return ("localhost", .notFound)
        default:
            let domain = domains[Int.random(in: domains.indices, using: &generator)]
            return (domain.name, domain.reply)
        }
    }

    var description: String {
        "\(table.rawValue) over \(isUnix ? "unix" : "TCP"), \(settings.dialect.rawValue), "
            + "maximumPending \(settings.maximumPending), \(exchanges.count) exchanges, \(pace)"
    }
}

extension Dialect {
    fileprivate static func randomElement(using generator: inout Seeded) -> Dialect {
        allCases.randomElement(using: &generator) ?? .classic
    }
}
