import GRDB
import MTASTS
import PolicyService

/// An operator's order as a row: how it is written, and what is believed of a row that is read.
///
/// What is no order is told as `.unreadable` and stays where it is.
enum OrderRow {
    // MARK: SQL

    static let keep = """
        INSERT INTO override (domain, kind, names, reason, author, since, until) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (domain) DO UPDATE SET kind = excluded.kind, names = excluded.names, reason = excluded.reason, \
        author = excluded.author, since = excluded.since, until = excluded.until
        """

    static let remove = "DELETE FROM override WHERE domain = ?"

    static let keepObserve = """
        INSERT INTO observe (number, is_on, author, since) VALUES (1, ?, ?, ?)
        ON CONFLICT (number) DO UPDATE SET is_on = excluded.is_on, author = excluded.author, since = excluded.since
        """

    /// In the order of `Column`. As octets, since a text ends at its first NUL otherwise.
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

    /// A text too long stays where it is.
    private static func octets(_ column: String) -> String {
        "CASE WHEN length(CAST(\(column) AS BLOB)) <= \(maximumLength) THEN CAST(\(column) AS BLOB) END"
    }

    /// As many names as an order may have, each as long as DNS allows, and more.
    private static let maximumLength = 65_536
    /// Ten times what the service takes: more is not to fill the memory.
    private static let maximumRows = 100_000

    private enum Kind: String {
        case exempt
        case exemptAsMay = "exempt-as-may"
        case pin
    }

    // MARK: Writing

    static func arguments(_ override: DomainOverride) -> StatementArguments {
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

    static func arguments(_ order: ObserveOrder) -> StatementArguments {
        [order.isOn ? 1 : 0, order.author, order.since.milliseconds]
    }

    // MARK: Reading

    static func read(_ row: Row) -> ArchivedOrder {
        let name = row.octets(Column.domain).map { String(decoding: $0, as: UTF8.self) } ?? ""
        do throws(UnreadableRow) {
            return .override(try override(row, name))
        } catch {
            return .unreadable(subject: name, reason: error.reason)
        }
    }

    static func readObserve(_ row: Row) -> ArchivedOrder {
        do throws(UnreadableRow) {
            return .observe(
                ObserveOrder(
                    isOn: try row.number(ObserveColumn.isOn, in: 0...1) == 1,
                    author: try string(row, ObserveColumn.author), since: try row.time(ObserveColumn.since)))
        } catch {
            return .unreadable(subject: "observe mode", reason: error.reason)
        }
    }

    private static func override(_ row: Row, _ name: String) throws(UnreadableRow) -> DomainOverride {
        // One that is spelt in another way would never be found nor removed.
        guard let domain = PolicyDomain(name), domain.name.text == name
        else { throw UnreadableRow(reason: "the domain is none") }
        let kind = try kind(row)
        let until = row.hasNull(atIndex: Column.until.rawValue) ? nil : try row.time(Column.until)
        let (reason, author) = (try string(row, Column.reason), try string(row, Column.author))
        let since = try row.time(Column.since)
        do throws(OverrideFault) {
            return try DomainOverride(
                domain: domain, kind: kind, reason: reason, author: author, since: since, until: until)
        } catch {
            throw UnreadableRow(reason: "\(error)")
        }
    }

    private static func kind(_ row: Row) throws(UnreadableRow) -> DomainOverride.Kind {
        guard let kind = row.text(Column.kind).flatMap(Kind.init) else { throw UnreadableRow(reason: "kind is none") }
        switch kind {
        case .exempt: return .exempt(mayEncrypt: false)
        case .exemptAsMay: return .exempt(mayEncrypt: true)
        case .pin:
            let names = try string(row, Column.names).split(separator: " ")
            let patterns = names.compactMap { MXPattern($0) }
            guard patterns.count == names.count else { throw UnreadableRow(reason: "names are none") }
            return .pin(patterns)
        }
    }

    private static func string(_ row: Row, _ column: some Row.Column) throws(UnreadableRow) -> String {
        guard let text = row.octets(column).flatMap({ String(validating: $0, as: UTF8.self) })
        else { throw UnreadableRow(reason: "\(column) is no text") }
        return text
    }
}
