import GRDB
import PolicyService

/// A row that is none of ours: data from outside, since another version or another hand may have written it.
struct UnreadableRow: Error {
    let reason: String
}

/// What is believed of a row that is read: nothing that makes the arithmetic of times overflow later.
extension Row {
    typealias Column = RawRepresentable<Int>

    /// The end of the year 9999: sums and differences of such times are far from the ends of Int64.
    static var latest: Int64 { 253_402_300_799_999 }

    func time(_ column: some Column) throws(UnreadableRow) -> WallTime {
        WallTime(milliseconds: try number(column, in: -Self.latest...Self.latest))
    }

    func number(_ column: some Column, in range: ClosedRange<Int64>) throws(UnreadableRow) -> Int64 {
        let value: DatabaseValue = self[column.rawValue]
        guard case .int64(let number) = value.storage, range.contains(number)
        else { throw UnreadableRow(reason: "\(column) is impossible") }
        return number
    }

    func text(_ column: some Column) -> String? {
        let value: DatabaseValue = self[column.rawValue]
        guard case .string(let text) = value.storage else { return nil }
        return text
    }

    func octets(_ column: some Column) -> [UInt8]? {
        let value: DatabaseValue = self[column.rawValue]
        guard case .blob(let octets) = value.storage else { return nil }
        return [UInt8](octets)
    }
}
