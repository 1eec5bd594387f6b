import Testing

@testable import DNSClient

@Suite struct ServerPoolTests {
    private let start = ContinuousClock.now
    private let servers: [NameServer]

    init() throws {
        servers = try ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map { try NameServer($0) }
    }

    private func names(_ pool: ServerPool, _ order: ServerPool.Order) -> [String] {
        order.servers.map { pool.address(of: $0).description }
    }

    @Test func `servers are asked in the configured order`() {
        var pool = ServerPool(servers, at: start)
        let order = pool.order(at: start)
        #expect(names(pool, order) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        #expect(order.probe == nil && order.demoted.isEmpty)
    }

    @Test func `a demoted server goes behind the others, and gets a copy every 5 seconds`() {
        var pool = ServerPool(servers, at: start)
        var order = pool.order(at: start)
        let first = order.servers[0]
        let isNew = pool.demote(first, at: start)
        let isNewAgain = pool.demote(first, at: start)
        #expect(isNew && !isNewAgain)
        order = pool.order(at: start)
        #expect(names(pool, order) == ["192.0.2.2", "192.0.2.3", "192.0.2.1"])
        for (second, probe) in [(4, nil), (5, first), (6, nil), (10, first)] {
            order = pool.order(at: start + .seconds(second))
            #expect(order.probe == probe)
        }
    }

    @Test func `an answer brings a server back`() {
        var pool = ServerPool(servers, at: start)
        var order = pool.order(at: start)
        let first = order.servers[0]
        _ = pool.demote(first, at: start)
        pool.answered(first)
        order = pool.order(at: start)
        #expect(names(pool, order) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
    }

    @Test func `replaced servers have no history, and keep their number if they were there before`() throws {
        var pool = ServerPool(servers, at: start)
        let first = pool.order(at: start).servers[0]
        _ = pool.demote(first, at: start)
        pool.replace(with: [try NameServer("192.0.2.9"), servers[0]], at: start)
        let order = pool.order(at: start)
        #expect(names(pool, order) == ["192.0.2.9", "192.0.2.1"])
        #expect(order.servers[1] == first && order.demoted.isEmpty)
    }
}
