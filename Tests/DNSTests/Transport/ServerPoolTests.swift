import Testing

@testable import DNSClient

@Suite struct ServerPoolTests {
    private let start = ContinuousClock.now
    private let servers: [NameServer]

    init() throws {
        servers = try ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map { try NameServer($0) }
    }

    private func names(_ pool: ServerPool, in order: ServerPool.Order) -> [String] {
        order.servers.map { pool.address(of: $0).description }
    }

    @Test func `servers are asked in the configured order`() {
        var pool = ServerPool(servers, at: start)
        let order = pool.order(at: start)
        #expect(names(pool, in: order) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        #expect(order.probe == nil && order.demoted.isEmpty)
    }

    @Test func `a demoted server goes behind the others, and gets a copy every 5 seconds`() {
        var pool = ServerPool(servers, at: start)
        var order = pool.order(at: start)
        let first = order.servers[0]
        let isNew = pool.recordMiss(first, evidence: .refused, at: start)
        let isNewAgain = pool.recordMiss(first, evidence: .refused, at: start)
        #expect(isNew && !isNewAgain)
        order = pool.order(at: start)
        #expect(names(pool, in: order) == ["192.0.2.2", "192.0.2.3", "192.0.2.1"])
        for (second, probe) in [(4, nil), (5, first), (6, nil), (10, first)] {
            order = pool.order(at: start + .seconds(second))
            #expect(order.probe == probe)
        }
    }

    @Test func `an answer brings a server back`() {
        var pool = ServerPool(servers, at: start)
        var order = pool.order(at: start)
        let first = order.servers[0]
        _ = pool.recordMiss(first, evidence: .refused, at: start)
        pool.answered(first)
        order = pool.order(at: start)
        #expect(names(pool, in: order) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
    }

    @Test func `replaced servers have no history, and keep their number if they were there before`() throws {
        var pool = ServerPool(servers, at: start)
        let first = pool.order(at: start).servers[0]
        _ = pool.recordMiss(first, evidence: .refused, at: start)
        pool.replace(with: [try NameServer("192.0.2.9"), servers[0]], at: start)
        let order = pool.order(at: start)
        #expect(names(pool, in: order) == ["192.0.2.9", "192.0.2.1"])
        #expect(order.servers[1] == first && order.demoted.isEmpty)
    }

    @Test func `one name's error leaves a server in front; three in a row send it behind`() {
        var pool = ServerPool(servers, at: start)
        let first = pool.order(at: start).servers[0]
        var moves = (0..<2).map { _ in pool.recordMiss(first, evidence: .error, at: start) }
        pool.answered(first)
        moves += (0..<3).map { _ in pool.recordMiss(first, evidence: .error, at: start) }
        #expect(moves == [false, false, false, false, true])
    }

    @Test func `a silent question sends a server behind only if it answered no other one since`() {
        var pool = ServerPool(servers, at: start)
        let first = pool.order(at: start).servers[0]
        pool.received(from: first, at: start + .milliseconds(100))
        let isAlive = pool.recordMiss(first, evidence: .timeout(since: start), at: start + .seconds(1))
        let isDead = pool.recordMiss(
            first, evidence: .timeout(since: start + .milliseconds(200)), at: start + .seconds(1))
        #expect(!isAlive && isDead)
    }
}
