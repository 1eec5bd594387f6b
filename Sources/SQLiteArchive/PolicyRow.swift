import Discovery
import Foundation
import GRDB
import MTASTS
import PolicyService

/// A policy as a row: how it is written, and what is believed of a row that is read.
///
/// A row is data from outside: another version or another hand may have written it. What is no policy is told as
/// `.unreadable`, and nothing that is read makes the arithmetic of times overflow later.
/// Not here: what the text says; it is parsed by whoever loads it.
enum PolicyRow {
    // MARK: SQL

    /// The order of `arguments`.
    private static let written = [
        "domain", "id", "fetched_at", "expires_at", "asked_at", "record_id", "record_at", "record_lifetime",
        "failure_id", "failure_at", "failure_count", "failure_category", "failure_reason", "text",
    ]

    static let keep = """
        INSERT INTO policy (\(written.joined(separator: ", ")))
        VALUES (\(written.map { _ in "?" }.joined(separator: ", ")))
        ON CONFLICT (domain) DO UPDATE SET lapsed_at = NULL, \
        \(written.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        """

    static let remove = "DELETE FROM policy WHERE domain = ?"

    /// In the order of `Column`. As octets, since a text ends at its first NUL otherwise; a text too long stays where it is.
    private static let selection = """
        SELECT CAST(domain AS BLOB), \(written.dropFirst().dropLast().joined(separator: ", ")), \
        CASE WHEN length(text) <= \(maximumLength) THEN text END FROM policy
        """

    static let all = selection
    static let one = selection + " WHERE domain = ?"

    private enum Column: Int {
        case domain, id, fetchedAt, expiresAt, askedAt
        case recordID, recordAt, recordLifetime
        case failureID, failureAt, failureCount, failureCategory, failureReason
        case text
    }

    /// 16 times the longest policy that is fetched: more is no policy, and is not to fill the memory.
    private static let maximumLength = 1_048_576

    // MARK: Writing

    static func arguments(_ policy: ArchivedPolicy) -> StatementArguments {
        [
            policy.domain.name.text, policy.id.text, policy.fetchedAt.milliseconds, policy.expiresAt.milliseconds,
            policy.askedAt.milliseconds,
            policy.record?.id.text, policy.record?.at.milliseconds, policy.record?.lifetime.milliseconds,
            policy.failure?.id.text, policy.failure?.at.milliseconds, policy.failure?.count,
            policy.failure?.category.rawValue, policy.failure?.reason,
            Data(policy.text),
        ]
    }

    // MARK: Reading

    static func read(_ row: Row) -> ArchivedRow {
        let name = octets(row, .domain).map { String(decoding: $0, as: UTF8.self) } ?? ""
        do throws(Unreadable) {
            return .policy(try policy(row, name))
        } catch {
            return .unreadable(domain: name, reason: error.reason)
        }
    }

    private struct Unreadable: Error {
        let reason: String
    }

    private static func policy(_ row: Row, _ name: String) throws(Unreadable) -> ArchivedPolicy {
        // One that is spelt in another way would never be found nor removed.
        guard let domain = PolicyDomain(name), domain.name.text == name
        else { throw Unreadable(reason: "the domain is none") }
        guard let text = octets(row, .text) else { throw Unreadable(reason: "the text is missing or too long") }
        return ArchivedPolicy(
            domain: domain, text: text, id: try id(row, .id), fetchedAt: try time(row, .fetchedAt),
            expiresAt: try time(row, .expiresAt), askedAt: try time(row, .askedAt), record: try record(row),
            failure: try failure(row))
    }

    private static func record(_ row: Row) throws(Unreadable) -> ArchivedPolicy.Record? {
        guard try isPresent([.recordID, .recordAt, .recordLifetime], in: row) else { return nil }
        return ArchivedPolicy.Record(
            id: try id(row, .recordID), at: try time(row, .recordAt),
            lifetime: .milliseconds(try number(row, .recordLifetime, in: 0...latest)))
    }

    private static func failure(_ row: Row) throws(Unreadable) -> ArchivedPolicy.Failure? {
        let group: [Column] = [.failureID, .failureAt, .failureCount, .failureCategory, .failureReason]
        guard try isPresent(group, in: row) else { return nil }
        guard let category = text(row, .failureCategory).flatMap(PolicyFailure.Category.init(rawValue:))
        else { throw Unreadable(reason: "failureCategory is none") }
        guard let reason = text(row, .failureReason) else { throw Unreadable(reason: "failureReason is no text") }
        return ArchivedPolicy.Failure(
            id: try id(row, .failureID), at: try time(row, .failureAt),
            count: Int(try number(row, .failureCount, in: 1...Int64(Int32.max))), category: category, reason: reason)
    }

    /// All of a group, or none of it.
    private static func isPresent(_ group: [Column], in row: Row) throws(Unreadable) -> Bool {
        let missing = group.filter { row.hasNull(atIndex: $0.rawValue) }
        guard let first = missing.first else { return true }
        guard missing.count == group.count else { throw Unreadable(reason: "\(first) is missing") }
        return false
    }

    private static func id(_ row: Row, _ column: Column) throws(Unreadable) -> RecordID {
        guard let id = text(row, column).flatMap({ RecordID($0) }) else {
            throw Unreadable(reason: "\(column) is none")
        }
        return id
    }

    /// The end of the year 9999: sums and differences of such times are far from the ends of Int64.
    private static let latest: Int64 = 253_402_300_799_999

    private static func time(_ row: Row, _ column: Column) throws(Unreadable) -> WallTime {
        WallTime(milliseconds: try number(row, column, in: -latest...latest))
    }

    private static func number(
        _ row: Row, _ column: Column, in range: ClosedRange<Int64>
    ) throws(Unreadable) -> Int64 {
        let value: DatabaseValue = row[column.rawValue]
        guard case .int64(let number) = value.storage, range.contains(number)
        else { throw Unreadable(reason: "\(column) is impossible") }
        return number
    }

    private static func text(_ row: Row, _ column: Column) -> String? {
        let value: DatabaseValue = row[column.rawValue]
        guard case .string(let text) = value.storage else { return nil }
        return text
    }

    private static func octets(_ row: Row, _ column: Column) -> [UInt8]? {
        let value: DatabaseValue = row[column.rawValue]
        guard case .blob(let octets) = value.storage else { return nil }
        return [UInt8](octets)
    }
}
