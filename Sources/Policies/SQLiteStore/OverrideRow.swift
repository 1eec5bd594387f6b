import GRDB
import MTASTS
import PolicyCaching

/// An operator's override as a row: how it is written, and how a row is checked when it is read.
///
/// A row that is not a valid override is returned as `.unreadable` and stays in the file.
enum OverrideRow {
    // MARK: SQL

    /// Writes an override, unless the domain's override was set or removed later. Another process may have done that while
    /// this one could not write.
    static let keep = """
        INSERT INTO override (domain, kind, names, reason, author, since, until)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (
            SELECT 1 FROM override_removal WHERE domain = ?1 AND removed_at > ?6 AND removed_at <= \(PolicyRow.now))
        ON CONFLICT (domain) DO UPDATE SET kind = excluded.kind, names = excluded.names, reason = excluded.reason, \
        author = excluded.author, since = excluded.since, until = excluded.until
        WHERE excluded.since >= override.since OR \(isInFuture("override.since"))
        """

    /// The arguments of this and the next statement: domain, time of the removal.
    static let noteRemoval = """
        INSERT INTO override_removal (domain, removed_at) VALUES (?, ?)
        ON CONFLICT (domain) DO UPDATE SET removed_at = excluded.removed_at
        WHERE excluded.removed_at >= override_removal.removed_at OR \(isInFuture("override_removal.removed_at"))
        """

    static let remove = "DELETE FROM override WHERE domain = ? AND (since <= ? OR \(isInFuture("since")))"

    /// Removes this override and no other one of the domain. Its arguments: domain, since, until.
    static let drop = "DELETE FROM override WHERE domain = ? AND since = ? AND until IS ?"

    /// A process that could not write for a month.
    static let dropRemovals =
        "DELETE FROM override_removal WHERE removed_at NOT BETWEEN :now - 2592000000 AND :now + 2592000000"

    static let keepObserve = """
        INSERT INTO observe (number, is_on, author, since) VALUES (1, ?, ?, ?)
        ON CONFLICT (number) DO UPDATE SET is_on = excluded.is_on, author = excluded.author, since = excluded.since
        WHERE excluded.since >= observe.since OR \(isInFuture("observe.since"))
        """

    /// Whether a change is by a clock that was ahead. It is not later than the operator's present command.
    private static func isInFuture(_ column: String) -> String { "\(column) > \(PolicyRow.now)" }

    /// In the order of `Column`. Texts are read as octets, because a text would end at its first NUL.
    static let all = """
        SELECT \(octets("domain")), kind, \(octets("names")), \(octets("reason")), \(octets("author")), since, until
        FROM override LIMIT \(maximumRows)
        """

    /// In the order of `ObserveColumn`.
    static let observe = "SELECT is_on, \(octets("author")), since FROM observe LIMIT 1"

    private enum Column: Int {
        case domain, kind, names, reason, author, since, until
    }

    private enum ObserveColumn: Int {
        case isOn, author, since
    }

    /// A text that is too long is not read.
    private static func octets(_ column: String) -> String {
        "CASE WHEN length(CAST(\(column) AS BLOB)) <= \(maximumLength) THEN CAST(\(column) AS BLOB) END"
    }

    /// More than an override with the most names, each as long as DNS allows.
    private static let maximumLength = 65_536
    /// Ten times what the service accepts. More rows must not fill the memory.
    private static let maximumRows = 100_000

    private enum Kind: String {
        case exempt
        case exemptAsMay = "exempt-as-may"
        case pin
    }

    // MARK: Writing

    static func arguments(_ override: Override) -> StatementArguments {
        let kind: Kind
        var names: String?
        switch override.kind {
        case .exempt(let mayEncrypt): kind = mayEncrypt ? .exemptAsMay : .exempt
        case .pin(let patterns): (kind, names) = (.pin, patterns.map(\.description).joined(separator: " "))
        }
        return [
            override.domain.name.text, kind.rawValue, names, override.reason, override.author,
            override.since.milliseconds, override.until?.milliseconds,
        ]
    }

    static func arguments(_ change: ObserveModeChange) -> StatementArguments {
        [change.isOn ? 1 : 0, change.author, change.since.milliseconds]
    }

    // MARK: Reading

    static func read(_ row: Row) -> StoredOverride {
        let name = row.octets(Column.domain).map { String(decoding: $0, as: UTF8.self) } ?? ""
        do throws(UnreadableRowError) {
            return .override(try override(row, name: name))
        } catch {
            return .unreadable(subject: name, reason: error.reason)
        }
    }

    static func readObserve(_ row: Row) -> StoredOverride {
        do throws(UnreadableRowError) {
            return .observe(
                ObserveModeChange(
                    isOn: try row.number(ObserveColumn.isOn, in: 0...1) == 1,
                    author: try string(ObserveColumn.author, in: row), since: try row.time(ObserveColumn.since)))
        } catch {
            return .unreadable(subject: "observe mode", reason: error.reason)
        }
    }

    private static func override(_ row: Row, name: String) throws(UnreadableRowError) -> Override {
        // A domain in another spelling would never be found nor removed.
        guard let domain = PolicyDomain(name), domain.name.text == name
        else { throw UnreadableRowError(reason: "invalid domain") }
        let kind = try kind(row)
        let until = row.hasNull(atIndex: Column.until.rawValue) ? nil : try row.time(Column.until)
        let (reason, author) = (try string(Column.reason, in: row), try string(Column.author, in: row))
        let since = try row.time(Column.since)
        do throws(OverrideValueError) {
            return try Override(
                domain: domain, kind: kind, reason: reason, author: author, since: since, until: until)
        } catch {
            throw UnreadableRowError(reason: "\(error)")
        }
    }

    private static func kind(_ row: Row) throws(UnreadableRowError) -> Override.Kind {
        guard let kind = row.text(Column.kind).flatMap(Kind.init)
        else { throw UnreadableRowError(reason: "unknown kind") }
        switch kind {
        case .exempt: return .exempt(mayEncrypt: false)
        case .exemptAsMay: return .exempt(mayEncrypt: true)
        case .pin:
            let names = try string(Column.names, in: row).split(separator: " ")
            let patterns = names.compactMap { MXPattern($0) }
            guard patterns.count == names.count else { throw UnreadableRowError(reason: "invalid names") }
            return .pin(patterns)
        }
    }

    private static func string(_ column: some Row.Column, in row: Row) throws(UnreadableRowError) -> String {
        guard let text = row.octets(column).flatMap({ String(validating: $0, as: UTF8.self) })
        else { throw UnreadableRowError(reason: "\(column) is not text") }
        return text
    }
}
