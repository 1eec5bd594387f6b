/// Reads and writes times as RFC 3339 text: UTC, milliseconds, the years 2000…9999.
///
/// Foundation's parser accepts 30 February, and its leniency depends on its version.
package enum RFC3339 {
    /// 2000-01-01T00:00:00.000Z: MTA-STS is younger.
    package static let earliest = WallTime(milliseconds: 946_684_800_000)
    /// 9999-12-31T23:59:59.999Z: the last time with four digits of the year.
    package static let latest = WallTime(milliseconds: 253_402_300_799_999)

    /// The end of an error message that begins with "expected".
    package static let expected = "a time in UTC between the years 2000 and 9999, like 2026-11-21T07:00:00.123Z"

    /// Returns `nil` outside `earliest...latest`.
    package static func text(of time: WallTime) -> String? {
        guard (earliest...latest).contains(time) else { return nil }
        let (day, millisecond) = time.milliseconds.quotientAndRemainder(dividingBy: millisecondsPerDay)
        let date = CalendarDate(day: Int(day))
        let second = Int(millisecond / 1_000)
        let clock = [second / 3_600, second / 60 % 60, second % 60].map { padded($0, to: 2) }.joined(separator: ":")
        return "\(padded(date.year, to: 4))-\(padded(date.month, to: 2))-\(padded(date.dayOfMonth, to: 2))"
            + "T\(clock).\(padded(Int(millisecond % 1_000), to: 3))Z"
    }

    /// Returns the text of the nearest time in `earliest...latest`, for output that always needs a time.
    package static func clampedText(of time: WallTime) -> String {
        text(of: min(max(time, earliest), latest)) ?? ""
    }

    /// Returns `nil` if the form is wrong, the date does not exist, or the time is outside `earliest...latest`.
    ///
    /// A fraction is optional and has up to nine digits. It is rounded down, so that a policy never becomes younger.
    package static func time(from text: String) -> WallTime? {
        let octets = Array(text.utf8)
        guard octets.count >= form.count + 1, octets.last == UInt8(ascii: "Z"),
            zip(octets, form).allSatisfy({ $1 == digit ? $0.isDigit : $0 == $1 }),
            let millisecond = millisecond(of: octets[form.count...].dropLast())
        else { return nil }
        let date = CalendarDate(
            year: number(octets[0..<4]), month: number(octets[5..<7]), dayOfMonth: number(octets[8..<10]))
        let (hour, minute, second) = (number(octets[11..<13]), number(octets[14..<16]), number(octets[17..<19]))
        // POSIX clocks have no leap seconds.
        guard let day = date.day, hour < 24, minute < 60, second < 60 else { return nil }
        let seconds = day * 86_400 + hour * 3_600 + minute * 60 + second
        let time = WallTime(milliseconds: Int64(seconds * 1_000 + millisecond))
        return (earliest...latest).contains(time) ? time : nil
    }

    private static let millisecondsPerDay: Int64 = 86_400_000
    private static let digit = UInt8(ascii: "0")
    /// The form before the fraction; `0` matches any digit.
    private static let form = Array("0000-00-00T00:00:00".utf8)

    /// Reads an empty fraction, or a point and one to nine digits.
    private static func millisecond(of fraction: ArraySlice<UInt8>) -> Int? {
        guard let point = fraction.first else { return 0 }
        let digits = fraction.dropFirst()
        guard point == UInt8(ascii: "."), (1...9).contains(digits.count), digits.allSatisfy(\.isDigit) else {
            return nil
        }
        return number((digits + [digit, digit]).prefix(3))
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int {
        digits.reduce(0) { $0 * 10 + Int($1 - digit) }
    }

    private static func padded(_ number: Int, to width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}

/// A day of the Gregorian calendar from the year 0 on. The algorithm counts years from March to February, so that the leap
/// day is the last day (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
private struct CalendarDate: Equatable {
    let year: Int
    let month: Int
    let dayOfMonth: Int

    init(year: Int, month: Int, dayOfMonth: Int) {
        self.year = year
        self.month = month
        self.dayOfMonth = dayOfMonth
    }

    /// - Parameter day: Days since 1970-01-01, not before the year 0.
    init(day: Int) {
        let (era, dayOfEra) = (day + Self.epoch).quotientAndRemainder(dividingBy: Self.era)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / (Self.era - 1)) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthOfYear = (5 * dayOfYear + 2) / 153
        month = monthOfYear < 10 ? monthOfYear + 3 : monthOfYear - 9
        year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        dayOfMonth = dayOfYear - (153 * monthOfYear + 2) / 5 + 1
    }

    /// Days since 1970-01-01; `nil` if the calendar has no such day.
    var day: Int? {
        guard year >= 1, (1...12).contains(month), (1...31).contains(dayOfMonth) else { return nil }
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).quotientAndRemainder(dividingBy: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + dayOfMonth - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let day = era * Self.era + dayOfEra - Self.epoch
        return Self(day: day) == self ? day : nil
    }

    /// Days in 400 years; then the calendar repeats.
    private static let era = 146_097
    /// Days from 0000-03-01 to 1970-01-01.
    private static let epoch = 719_468
}
