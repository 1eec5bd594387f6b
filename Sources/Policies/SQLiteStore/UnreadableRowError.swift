import GRDB
import TextFormats

/// A row that is not valid. It is data from outside: another version or another program may have written it.
struct UnreadableRowError: Error {
    let reason: String
}

/// Reads columns and accepts only values with which the arithmetic of times cannot overflow later.
extension Row {
    typealias Column = RawRepresentable<Int>

    /// The end of the year 9999 in milliseconds. Sums and differences of such times are far from the limits of Int64.
    static var latest: Int64 { 253_402_300_799_999 }

    func time(_ column: some Column) throws(UnreadableRowError) -> WallTime {
        WallTime(milliseconds: try number(column, in: -Self.latest...Self.latest))
    }

    func number(_ column: some Column, in range: ClosedRange<Int64>) throws(UnreadableRowError) -> Int64 {
        let value: DatabaseValue = self[column.rawValue]
        guard case .int64(let number) = value.storage, range.contains(number)
        else { throw UnreadableRowError(reason: "\(column) out of range") }
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
