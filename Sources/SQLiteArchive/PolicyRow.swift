import Discovery
import Foundation
import GRDB
import MTASTS
import PolicyService

/// A policy as a row: how it is written, and what is believed of a row that is read.
///
/// A row is data from outside: what is no policy is told as `.unreadable`.
/// Not here: what the text says; it is parsed by whoever loads it.
enum PolicyRow {
    // MARK: SQL

    /// The order of `arguments`.
    private static let written = [
        "domain", "id", "fetched_at", "expires_at", "asked_at", "record_id", "record_at", "record_lifetime",
        "failure_id", "failure_at", "failure_count", "failure_category", "failure_reason", "clock_behind_since",
        "previous_fetched_at", "end_logged", "text",
    ]

    static let keep = """
        INSERT INTO policy (\(written.joined(separator: ", ")))
        VALUES (\(written.map { _ in "?" }.joined(separator: ", ")))
        ON CONFLICT (domain) DO UPDATE SET lapsed_at = NULL, \
        \(written.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        """

    static let remove = "DELETE FROM policy WHERE domain = ?"

    /// Whatever was committed for the domain since.
    static let noteEnd = "UPDATE policy SET end_logged = 1 WHERE domain = ? AND fetched_at = ?"

    /// Whether a policy's life is over at `:now`. If a fetch lies in the future, by a clock that was ahead, the life counts
    /// from the moment at which that was noticed, or from the fetch after it.
    static let isOver = """
        (expires_at <= :now
        OR (fetched_at > :now AND clock_behind_since IS NOT NULL AND clock_behind_since + \(life) <= :now)
        OR (fetched_at <= :now AND coalesce(previous_fetched_at, fetched_at) > :now AND fetched_at + \(life) <= :now))
        """

    private static let life = "(expires_at - max(fetched_at, coalesce(previous_fetched_at, fetched_at)))"

    /// In the order of `Column`. As octets, since a text ends at its first NUL otherwise; a text too long stays where it is.
    private static func selection(_ columns: [String]) -> String {
        """
        SELECT CAST(domain AS BLOB), \(columns.dropFirst().dropLast().joined(separator: ", ")), \
        CASE WHEN length(text) <= \(maximumLength) THEN text END FROM policy
        """
    }

    private static let new = selection(written)
    /// Of a file that an older version wrote, and that is only read.
    private static let old = selection(
        written.map { ["clock_behind_since": "NULL", "previous_fetched_at": "NULL", "end_logged": "0"][$0] ?? $0 })

    /// - Parameter hasClock: whether the file has the columns of this version.
    static func all(hasClock: Bool) -> String { hasClock ? new : old }
    static func one(hasClock: Bool) -> String { all(hasClock: hasClock) + " WHERE domain = ?" }

    /// Policies past the end of their life at `:now`, whose end the log does not have; at most `:limit`.
    static let expired = new + " WHERE end_logged = 0 AND \(isOver) LIMIT :limit"

    private enum Column: Int {
        case domain, id, fetchedAt, expiresAt, askedAt
        case recordID, recordAt, recordLifetime
        case failureID, failureAt, failureCount, failureCategory, failureReason
        case clockBehindSince, previousFetchedAt, endLogged
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
            policy.clockBehindSince?.milliseconds, policy.previousFetchedAt?.milliseconds,
            policy.isEndLogged ? 1 : 0,
            Data(policy.text),
        ]
    }

    // MARK: Reading

    static func read(_ row: Row) -> ArchivedRow {
        let name = row.octets(Column.domain).map { String(decoding: $0, as: UTF8.self) } ?? ""
        do throws(UnreadableRow) {
            return .policy(try policy(row, name))
        } catch {
            return .unreadable(domain: name, reason: error.reason)
        }
    }

    private static func policy(_ row: Row, _ name: String) throws(UnreadableRow) -> ArchivedPolicy {
        // One that is spelt in another way would never be found nor removed.
        guard let domain = PolicyDomain(name), domain.name.text == name
        else { throw UnreadableRow(reason: "the domain is none") }
        guard let text = row.octets(Column.text) else { throw UnreadableRow(reason: "the text is missing or too long") }
        return ArchivedPolicy(
            domain: domain, text: text, id: try id(row, .id), fetchedAt: try row.time(Column.fetchedAt),
            expiresAt: try row.time(Column.expiresAt), askedAt: try row.time(Column.askedAt), record: try record(row),
            failure: try failure(row),
            clockBehindSince: try optionalTime(row, .clockBehindSince),
            previousFetchedAt: try optionalTime(row, .previousFetchedAt),
            isEndLogged: try row.number(Column.endLogged, in: 0...1) == 1)
    }

    private static func optionalTime(_ row: Row, _ column: Column) throws(UnreadableRow) -> WallTime? {
        try isPresent([column], in: row) ? try row.time(column) : nil
    }

    private static func record(_ row: Row) throws(UnreadableRow) -> ArchivedPolicy.Record? {
        guard try isPresent([.recordID, .recordAt, .recordLifetime], in: row) else { return nil }
        return ArchivedPolicy.Record(
            id: try id(row, .recordID), at: try row.time(Column.recordAt),
            lifetime: .milliseconds(try row.number(Column.recordLifetime, in: 0...Row.latest)))
    }

    private static func failure(_ row: Row) throws(UnreadableRow) -> ArchivedPolicy.Failure? {
        let group: [Column] = [.failureID, .failureAt, .failureCount, .failureCategory, .failureReason]
        guard try isPresent(group, in: row) else { return nil }
        guard let category = row.text(Column.failureCategory).flatMap(PolicyFailure.Category.init(rawValue:))
        else { throw UnreadableRow(reason: "failureCategory is none") }
        guard let reason = row.text(Column.failureReason)
        else { throw UnreadableRow(reason: "failureReason is no text") }
        return ArchivedPolicy.Failure(
            id: try id(row, .failureID), at: try row.time(Column.failureAt),
            count: Int(try row.number(Column.failureCount, in: 1...Int64(Int32.max))), category: category,
            reason: reason)
    }

    /// All of a group, or none of it.
    private static func isPresent(_ group: [Column], in row: Row) throws(UnreadableRow) -> Bool {
        let missing = group.filter { row.hasNull(atIndex: $0.rawValue) }
        guard let first = missing.first else { return true }
        guard missing.count == group.count else { throw UnreadableRow(reason: "\(first) is missing") }
        return false
    }

    private static func id(_ row: Row, _ column: Column) throws(UnreadableRow) -> RecordID {
        guard let id = row.text(column).flatMap({ RecordID($0) }) else {
            throw UnreadableRow(reason: "\(column) is none")
        }
        return id
    }
}
