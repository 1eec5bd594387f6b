import Discovery
import Foundation
import GRDB
import MTASTS
import PolicyCaching
import TextFormats

/// A policy as a row: how it is written, and how a row is checked when it is read.
///
/// A row is data from outside. A row that is not a valid policy is returned as `.unreadable`.
/// Not here: the policy text. The reader of the store parses it.
enum PolicyRow {
    // MARK: SQL

    /// The order of `arguments`.
    private static let written = [
        "domain", "id", "fetched_at", "expires_at", "asked_at", "record_id", "record_at", "record_lifetime",
        "failure_id", "failure_at", "failure_count", "failure_category", "failure_reason", "clock_behind_since",
        "previous_fetched_at", "end_logged", "text",
    ]

    /// Writes a policy, unless the row has a later fetch, or another process has removed this fetch or a later one
    /// (`PolicyRemoval.applies`). The arguments are those
    /// of `arguments` and then the author.
    static let keep = """
        INSERT INTO policy (\(written.joined(separator: ", ")))
        SELECT \(written.indices.map { "?\($0 + 1)" }.joined(separator: ", ")) WHERE NOT EXISTS (
            SELECT 1 FROM removal
            WHERE domain = ?1 AND author <> ?\(written.count + 1) AND fetched_at >= max(?3, coalesce(?15, ?3))
            AND (removed_at > ?3 OR fetched_at = ?3))
        ON CONFLICT (domain) DO UPDATE SET lapsed_at = NULL, \
        \(written.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        WHERE (\(fetchOrder("excluded"))) >= (\(fetchOrder("policy")))
        OR abs(policy.fetched_at / 2) > \(Row.latest / 2) OR abs(policy.previous_fetched_at / 2) > \(Row.latest / 2)
        """

    /// The order of fetches. If the clock was behind at a fetch, the row has the time of the earlier fetch too, and both are
    /// in the order of that time; the fetch that knows the other one is the later one.
    private static func fetchOrder(_ table: String) -> String {
        let (time, earlier) = ("\(table).fetched_at", "\(table).previous_fetched_at")
        return "max(\(time), coalesce(\(earlier), \(time))), "
            + "CASE WHEN \(time) < \(earlier) THEN \(time) ELSE \(-Row.latest) END"
    }

    /// Notes for other processes that the policy of a domain is about to be removed. Its arguments: author, domain.
    static let noteRemoval = """
        INSERT INTO removal (domain, fetched_at, removed_at, author)
        SELECT domain, max(fetched_at, coalesce(previous_fetched_at, fetched_at)), \(now), ?
        FROM policy WHERE domain = ?
        ON CONFLICT (domain) DO UPDATE SET fetched_at = excluded.fetched_at, removed_at = excluded.removed_at, \
        author = excluded.author
        """

    /// The present time in milliseconds. `strftime` has no milliseconds since 1970 in SQLite before 3.42.
    static let now = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"

    static let voidRemoval = "DELETE FROM removal WHERE domain = ?"

    /// A process that did not look for a day does not run, or its clock was set.
    static let dropRemovals = "DELETE FROM removal WHERE removed_at NOT BETWEEN :now - 86400000 AND :now + 86400000"

    static let removalsOfOthers = """
        SELECT CAST(domain AS BLOB), fetched_at, removed_at FROM removal WHERE author <> ? LIMIT \(maximumRemovals)
        """

    /// Operators forget few domains. More rows must not fill the memory.
    private static let maximumRemovals = 10_000

    static let remove = "DELETE FROM policy WHERE domain = ?"

    /// Removes an earlier fetch too: the evicted one would have replaced it, but was not written before the eviction.
    static let evict =
        "DELETE FROM policy WHERE domain = ? AND max(fetched_at, coalesce(previous_fetched_at, fetched_at)) <= ?"

    /// Changes nothing if another fetch was committed since.
    static let noteEnd = "UPDATE policy SET end_logged = 1 WHERE domain = ? AND fetched_at = ?"

    /// Whether a policy's life is over at `:now`. If a fetch lies in the future, by a clock that was ahead, the life counts
    /// from the moment at which that was noticed, or from the fetch after it.
    static let isOver = """
        (expires_at <= :now
        OR (fetched_at > :now AND clock_behind_since IS NOT NULL AND clock_behind_since + \(life) <= :now)
        OR (fetched_at <= :now AND coalesce(previous_fetched_at, fetched_at) > :now AND fetched_at + \(life) <= :now))
        """

    private static let life = "(expires_at - max(fetched_at, coalesce(previous_fetched_at, fetched_at)))"

    /// In the order of `Column`. The domain is read as octets, because a text would end at its first NUL. A text that is too
    /// long is not read.
    private static func selection(_ columns: [String]) -> String {
        """
        SELECT CAST(domain AS BLOB), \(columns.dropFirst().dropLast().joined(separator: ", ")), \
        CASE WHEN length(text) <= \(maximumLength) THEN text END FROM policy
        """
    }

    private static let new = selection(written)
    /// For a file of an older version that is only read.
    private static let old = selection(
        written.map { ["clock_behind_since": "NULL", "previous_fetched_at": "NULL", "end_logged": "0"][$0] ?? $0 })

    /// - Parameter hasClock: whether the file has the columns of this version.
    static func all(hasClock: Bool) -> String { hasClock ? new : old }
    static func one(hasClock: Bool) -> String { all(hasClock: hasClock) + " WHERE domain = ?" }

    /// Policies past the end of their life at `:now` whose end was not logged; at most `:limit`.
    static let expired = new + " WHERE end_logged = 0 AND \(isOver) LIMIT :limit"

    private enum Column: Int {
        case domain, id, fetchedAt, expiresAt, askedAt
        case recordID, recordAt, recordLifetime
        case failureID, failureAt, failureCount, failureCategory, failureReason
        case clockBehindSince, previousFetchedAt, endLogged
        case text
    }

    /// 16 times the longest policy that is fetched. A longer text is not a policy and must not fill the memory.
    private static let maximumLength = 1_048_576

    // MARK: Writing

    static func arguments(_ policy: StoredPolicy) -> StatementArguments {
        [
            policy.domain.name.text, policy.id.text, policy.fetchedAt.milliseconds, policy.expiresAt.milliseconds,
            policy.lastLookupAt.milliseconds,
            policy.record?.id.text, policy.record?.at.milliseconds, policy.record?.lifetime.milliseconds,
            policy.failure?.id.text, policy.failure?.at.milliseconds, policy.failure?.count,
            policy.failure?.category.rawValue, policy.failure?.reason,
            policy.clockBehindSince?.milliseconds, policy.previousFetchedAt?.milliseconds,
            policy.isExpiryLogged ? 1 : 0,
            Data(policy.text),
        ]
    }

    // MARK: Reading

    static func read(_ row: Row) -> StoredRow {
        let name = row.octets(Column.domain).map { String(decoding: $0, as: UTF8.self) } ?? ""
        do throws(UnreadableRowError) {
            return .policy(try policy(row, name: name))
        } catch {
            return .unreadable(domain: name, reason: error.reason)
        }
    }

    static func readRemoval(_ row: Row) -> PolicyRemoval? {
        guard let name = row.octets(Column.domain).map({ String(decoding: $0, as: UTF8.self) }),
            let domain = PolicyDomain(name), let fetchedAt = try? row.time(RemovalColumn.fetchedAt),
            let removedAt = try? row.time(RemovalColumn.removedAt)
        else { return nil }
        return PolicyRemoval(domain: domain, fetchedAt: fetchedAt, removedAt: removedAt)
    }

    private enum RemovalColumn: Int {
        case domain, fetchedAt, removedAt
    }

    private static func policy(_ row: Row, name: String) throws(UnreadableRowError) -> StoredPolicy {
        // A domain in another spelling would never be found nor removed.
        guard let domain = PolicyDomain(name), domain.name.text == name
        else { throw UnreadableRowError(reason: "invalid domain") }
        guard let text = row.octets(Column.text)
        else { throw UnreadableRowError(reason: "the text is missing or too long") }
        return StoredPolicy(
            domain: domain, text: text, id: try id(.id, in: row), fetchedAt: try row.time(Column.fetchedAt),
            expiresAt: try row.time(Column.expiresAt), lastLookupAt: try row.time(Column.askedAt),
            record: try record(row),
            failure: try failure(row),
            clockBehindSince: try optionalTime(.clockBehindSince, in: row),
            previousFetchedAt: try optionalTime(.previousFetchedAt, in: row),
            isExpiryLogged: try row.number(Column.endLogged, in: 0...1) == 1)
    }

    private static func optionalTime(_ column: Column, in row: Row) throws(UnreadableRowError) -> WallTime? {
        try isPresent([column], in: row) ? try row.time(column) : nil
    }

    private static func record(_ row: Row) throws(UnreadableRowError) -> StoredPolicy.Record? {
        guard try isPresent([.recordID, .recordAt, .recordLifetime], in: row) else { return nil }
        return StoredPolicy.Record(
            id: try id(.recordID, in: row), at: try row.time(Column.recordAt),
            lifetime: .milliseconds(try row.number(Column.recordLifetime, in: 0...Row.latest)))
    }

    private static func failure(_ row: Row) throws(UnreadableRowError) -> StoredPolicy.Failure? {
        let group: [Column] = [.failureID, .failureAt, .failureCount, .failureCategory, .failureReason]
        guard try isPresent(group, in: row) else { return nil }
        guard let category = row.text(Column.failureCategory).flatMap(PolicyFetchError.Category.init(rawValue:))
        else { throw UnreadableRowError(reason: "unknown failureCategory") }
        guard let reason = row.text(Column.failureReason)
        else { throw UnreadableRowError(reason: "failureReason is not text") }
        return StoredPolicy.Failure(
            id: try id(.failureID, in: row), at: try row.time(Column.failureAt),
            count: Int(try row.number(Column.failureCount, in: 1...Int64(Int32.max))), category: category,
            reason: reason)
    }

    /// Either all columns of a group have a value, or none has.
    private static func isPresent(_ group: [Column], in row: Row) throws(UnreadableRowError) -> Bool {
        let missing = group.filter { row.hasNull(atIndex: $0.rawValue) }
        guard let first = missing.first else { return true }
        guard missing.count == group.count else { throw UnreadableRowError(reason: "\(first) is missing") }
        return false
    }

    private static func id(_ column: Column, in row: Row) throws(UnreadableRowError) -> RecordID {
        guard let id = row.text(column).flatMap({ RecordID($0) }) else {
            throw UnreadableRowError(reason: "invalid \(column)")
        }
        return id
    }
}
