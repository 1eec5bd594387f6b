import AdminAPI
import Foundation

/// Formats the report of a query: each step, its result and its duration.
enum QueryFormatter {
    static func format(_ report: QueryReport, for terminal: Terminal) -> String {
        var fields = FieldList(for: terminal)
        describe(report, in: &fields)
        return fields.text
    }

    static func describe(_ report: QueryReport, in fields: inout FieldList) {
        for (label, text) in rows(report) { fields.add(label, value: text) }
    }

    private static func rows(_ report: QueryReport) -> [(String, String)] {
        guard let domain = report.domain, let record = report.record else {
            return [
                ("key", "\(report.key) is not a domain that can have a policy"), ("rule", report.rule.rawValue),
                ("reply", report.reply),
            ]
        }
        var rows = [("domain", domain), ("record", text(of: record))]
        if let host = report.policyHost { rows.append(("policy host", text(of: host))) }
        if let fetch = report.fetch { rows += self.rows(for: fetch) }
        if let policy = report.policy { rows += self.rows(for: policy) }
        if let dane = report.dane { rows += self.rows(for: dane) }
        return rows + [("rule", report.rule.rawValue), ("reply", report.reply), ("dialect", report.dialect)]
    }

    private static func text(of record: QueryReport.Record) -> String {
        var details = [time(record.milliseconds)]
        if record.ttl > 0 { details.insert("TTL \(record.ttl) s", at: 0) }
        if record.aliases > 0 { details.insert("\(record.aliases) CNAME", at: 0) }
        let found = record.id.map { "id \($0)" } ?? record.result
        return "\(record.name) TXT: \(found) (\(details.joined(separator: ", ")))"
    }

    private static func text(of host: QueryReport.PolicyHost) -> String {
        let addresses = host.addresses.isEmpty ? "no address" : host.addresses.joined(separator: ", ")
        let others = [("not tried", host.notTried), ("not allowed", host.refused)].filter { !$0.1.isEmpty }
            .map { ", \($0): \(list($1))" }.joined()
        return "\(host.name): \(addresses)\(others) (\(time(host.milliseconds)))"
    }

    /// A zone may list thousands of addresses. `--json` prints all of them.
    private static func list(_ addresses: [String]) -> String {
        let shown = addresses.prefix(maximumListed).joined(separator: ", ")
        let left = addresses.count - maximumListed
        return left > 0 ? "\(shown) and \(left) more" : shown
    }

    private static let maximumListed = 16

    private static func rows(for fetch: QueryReport.Fetch) -> [(String, String)] {
        var rows: [(String, String)] = []
        if let address = fetch.address, let version = fetch.httpVersion {
            rows.append(("fetch", "\(fetch.url) from \(address) with \(version) (\(time(fetch.milliseconds)))"))
        } else {
            rows.append(("fetch", "\(fetch.url) (\(time(fetch.milliseconds)))"))
        }
        let details = [fetch.issuer.map { "issuer \($0)" }, fetch.notAfter.map { "valid until \($0)" }].compactMap {
            $0
        }
        rows.append(("certificate", ([fetch.certificate] + details).joined(separator: ", ")))
        if let failure = fetch.failure, let type = fetch.failureType {
            rows.append(("failure", "\(failure) (\(type))"))
        }
        return rows
    }

    private static func rows(for policy: PublishedPolicy) -> [(String, String)] {
        var rows = [("policy", "\(policy.mode), max_age \(policy.maxAge) s")]
        rows += policy.mx.map { ("mx", $0) }
        rows += policy.warnings.map { ("warning", $0) }
        return rows
    }

    private static func rows(for dane: QueryReport.DANE) -> [(String, String)] {
        var rows = [("dane", "\(dane.mx) (\(time(dane.milliseconds)))")]
        rows += dane.mxAnswer.map { [("dns", $0)] } ?? []
        for host in dane.hosts {
            rows.append(("mx host", "\(host.name): \(host.status)"))
            rows += host.answers.map { ("dns", $0) }
        }
        rows += dane.unknown.map { [("unknown", $0)] } ?? []
        return rows
    }

    private static func time(_ milliseconds: Double) -> String {
        "\(milliseconds.formatted(.number.precision(.fractionLength(1)).grouping(.never))) ms"
    }
}
