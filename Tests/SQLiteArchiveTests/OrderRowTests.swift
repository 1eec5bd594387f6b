import MTASTS
import PolicyService
import TestSupport
import Testing

@testable import SQLiteArchive

/// What is believed of orders in a file that anybody may have written.
@Suite struct OrderRowTests {
    let lab: ArchiveLab

    init() throws { lab = try ArchiveLab() }

    /// What is found after `sql` was done to one good order of each kind.
    private func orders(after sql: String) async throws -> [ArchivedOrder] {
        let archive = try await lab.archive()
        try await archive.commit(
            ArchiveContract.orders().map(ArchiveChange.order) + [
                .observe(ObserveOrder(isOn: true, author: "root", since: WallTime(milliseconds: 1)))
            ])
        await archive.close()
        try lab.change(sql)
        let again = try await lab.archive()
        let found = try await again.orders()
        await again.close()
        return found
    }

    private static func reason(_ order: ArchivedOrder, _ subject: String) -> String? {
        guard case .unreadable(subject, let reason) = order else { return nil }
        return reason
    }

    @Test func `orders survive closing and opening`() async throws {
        let found = try await orders(after: "SELECT 1")
        for order in try ArchiveContract.orders() { #expect(found.contains(.override(order))) }
        #expect(found.count == 5)
    }

    @Test(arguments: [
        ("kind = 'exempted'", "kind is none"), ("kind = ''", "kind is none"),
        ("names = 'mx.example.com -'", "names are none"), ("names = 'mx'", "no MX host"),
        ("names = NULL", "names is no text"), ("reason = ''", "reason"), ("reason = char(10)", "reason"),
        ("reason = 'a' || char(0) || 'b'", "reason"), ("reason = CAST(x'FF' AS TEXT)", "reason is no text"),
        ("reason = printf('%.*c', 201, 'x')", "reason"), ("author = ''", "author"),
        ("author = printf('%.*c', 65537, 'x')", "author is no text"),
        ("since = 9223372036854775807", "since is impossible"), ("until = -9223372036854775808", "until is impossible"),
        ("until = 0", "the end"), ("until = since", "the end"), ("until = 253402300800000", "until is impossible"),
    ])
    func `what is no order is told with its reason, and the others count`(change: String, reason: String) async throws {
        let found = try await orders(after: "UPDATE override SET \(change) WHERE domain = 'names.example'")
        let told = found.compactMap { Self.reason($0, "names.example") }
        #expect(told.count == 1 && told.allSatisfy { $0.contains(reason) }, "\(told)")
        #expect(found.count == 5)
    }

    @Test(arguments: ["localhost", "UPPER.example", "a..example", "", "192.0.2.1"])
    func `an order of what is no domain is told`(name: String) async throws {
        let found = try await orders(after: "UPDATE override SET domain = '\(name)' WHERE domain = 'pin.example'")
        #expect(found.compactMap { Self.reason($0, name) } == ["the domain is none"])
        #expect(found.count == 5)
    }

    @Test(arguments: [("is_on = 2", "isOn is impossible"), ("since = 9223372036854775807", "since is impossible")])
    func `observe mode is on or off, or is told`(change: String, reason: String) async throws {
        let found = try await orders(after: "UPDATE observe SET \(change)")
        #expect(found.compactMap { Self.reason($0, "observe mode") } == [reason])
        #expect(found.count == 5)
    }

    @Test func `there is one observe mode`() async throws {
        _ = try await orders(after: "SELECT 1")
        #expect(throws: (any Error).self) { try lab.change("INSERT INTO observe VALUES (2, 1, 'x', 0)") }
    }

    @Test func `an order that cannot be read stays until one of its domain replaces or lifts it`() async throws {
        _ = try await orders(after: "UPDATE override SET kind = 'newer' WHERE domain IN ('pin.example', 'may.example')")
        let archive = try await lab.archive()
        let pin = try order(.pin([]), "pin.example", since: WallTime(milliseconds: 1))
        try await archive.commit([.order(pin), .lift(try domain("may.example"))])
        let found = try await archive.orders()
        #expect(found.count == 4 && found.contains(.override(pin)))
        await archive.close()
    }

    @Test func `a file of nothing but orders does not fill the memory`() async throws {
        let found = try await orders(
            after: """
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20100)
                INSERT INTO override SELECT 'd' || i || '.example', 'exempt', NULL, 'r', 'a', 0, NULL FROM n
                """)
        #expect(found.count == 20_001)
    }
}
