import AdminAPI
import Testing

@testable import Commands

@Suite struct QueryFormatterTests {
    private func text(notTried: [String] = [], refused: [String] = []) -> String {
        let host = QueryReport.PolicyHost(
            name: "mta-sts.example.com", addresses: ["192.0.2.1", "192.0.2.2"], notTried: notTried,
            refused: refused, milliseconds: 1.5)
        let record = QueryReport.Record(
            name: "_mta-sts.example.com", id: "1", result: "published", ttl: 60, aliases: 0, milliseconds: 1)
        let report = QueryReport(
            key: "example.com", domain: "example.com", outcome: .unknown, record: record, policyHost: host,
            rule: .unknown, reply: "NOTFOUND ", dialect: "classic")
        let text = QueryFormatter.format(report, for: Terminal(width: nil, hasColour: false))
        return text.split(separator: "\n").first { $0.contains("mta-sts.example.com: ") }.map(String.init) ?? ""
    }

    @Test func `the output names addresses that are not tried or not allowed`() {
        #expect(text().hasSuffix("mta-sts.example.com: 192.0.2.1, 192.0.2.2 (1.5 ms)"))
        #expect(
            text(notTried: ["192.0.2.3"], refused: ["127.0.0.1", "::1"]).hasSuffix(
                "192.0.2.1, 192.0.2.2, not tried: 192.0.2.3, not allowed: 127.0.0.1, ::1 (1.5 ms)"))
    }

    @Test func `of thousands of addresses the output names sixteen and the number of the others`() {
        let many = (1...4_000).map { "a\($0)" }
        let line = text(notTried: many, refused: many)
        #expect(line.contains(", not tried: a1, a2, "))
        #expect(line.contains(", a16 and 3984 more, not allowed: a1, "))
        #expect(!line.contains("a17"))
    }
}
