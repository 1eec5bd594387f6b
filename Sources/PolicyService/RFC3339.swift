/// Moments as text: RFC 3339 in UTC, to the millisecond, within the years 2000…9999.
///
/// Not Foundation's: that takes 30 February, and in which forms it is lenient depends on its version.
package enum RFC3339 {
    /// 2000-01-01T00:00:00.000Z: before it nobody fetched a policy.
    package static let earliest = WallTime(milliseconds: 946_684_800_000)
    /// 9999-12-31T23:59:59.999Z: the last one with four digits.
    package static let latest = WallTime(milliseconds: 253_402_300_799_999)

    /// For messages.
    package static let expected = "a time in UTC between the years 2000 and 9999, like 2026-11-21T07:00:00.123Z"

    /// `nil` outside `earliest...latest`.
    package static func text(of time: WallTime) -> String? {
        guard (earliest...latest).contains(time) else { return nil }
        let (day, millisecond) = time.milliseconds.quotientAndRemainder(dividingBy: millisecondsPerDay)
        let date = CalendarDate(day: Int(day))
        let second = Int(millisecond / 1_000)
        let clock = [second / 3_600, second / 60 % 60, second % 60].map { digits($0, 2) }.joined(separator: ":")
        return "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.dayOfMonth, 2))"
            + "T\(clock).\(digits(Int(millisecond % 1_000), 3))Z"
    }

    /// The same for showing, where there has to be something: a clock outside of those years is shown at their edge.
    package static func shown(_ time: WallTime) -> String {
        text(of: min(max(time, earliest), latest)) ?? ""
    }

    /// `nil` for what is not in the form, no date, or outside `earliest...latest`. No fraction or up to nine digits of one
    /// are taken, and rounded down: a policy never gets younger by it.
    package static func read(_ text: String) -> WallTime? {
        let octets = Array(text.utf8)
        guard octets.count >= form.count + 1, octets.last == UInt8(ascii: "Z"),
            zip(octets, form).allSatisfy({ $1 == digit ? $0.isDigit : $0 == $1 }),
            let millisecond = millisecond(octets[form.count...].dropLast())
        else { return nil }
        let date = CalendarDate(
            year: number(octets[0..<4]), month: number(octets[5..<7]), dayOfMonth: number(octets[8..<10]))
        let (hour, minute, second) = (number(octets[11..<13]), number(octets[14..<16]), number(octets[17..<19]))
        // No leap seconds: no clock of ours shows one.
        guard let day = date.day, hour < 24, minute < 60, second < 60 else { return nil }
        let seconds = day * 86_400 + hour * 3_600 + minute * 60 + second
        let time = WallTime(milliseconds: Int64(seconds * 1_000 + millisecond))
        return (earliest...latest).contains(time) ? time : nil
    }

    private static let millisecondsPerDay: Int64 = 86_400_000
    private static let digit = UInt8(ascii: "0")
    /// What stands before the fraction; `0` is any digit.
    private static let form = Array("0000-00-00T00:00:00".utf8)

    /// Of nothing, or of a point and one to nine digits.
    private static func millisecond(_ fraction: ArraySlice<UInt8>) -> Int? {
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

    private static func digits(_ number: Int, _ count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
}

/// A day of the Gregorian calendar, counted in years of March to February, so that the leap day is the last
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"). For years from 0 on.
private struct CalendarDate: Equatable {
    let year: Int
    let month: Int
    let dayOfMonth: Int

    init(year: Int, month: Int, dayOfMonth: Int) {
        self.year = year
        self.month = month
        self.dayOfMonth = dayOfMonth
    }

    /// - Parameter day: since 1970-01-01, not before the year 0.
    init(day: Int) {
        let (era, dayOfEra) = (day + Self.epoch).quotientAndRemainder(dividingBy: Self.era)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / (Self.era - 1)) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthOfYear = (5 * dayOfYear + 2) / 153
        month = monthOfYear < 10 ? monthOfYear + 3 : monthOfYear - 9
        year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        dayOfMonth = dayOfYear - (153 * monthOfYear + 2) / 5 + 1
    }

    /// Days since 1970-01-01; `nil` where the calendar has no such day.
    var day: Int? {
        guard year >= 1, (1...12).contains(month), (1...31).contains(dayOfMonth) else { return nil }
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).quotientAndRemainder(dividingBy: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + dayOfMonth - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let day = era * Self.era + dayOfEra - Self.epoch
        return Self(day: day) == self ? day : nil
    }

    /// Days of 400 years, after which the calendar repeats.
    private static let era = 146_097
    /// Days from 0000-03-01 to 1970-01-01.
    private static let epoch = 719_468
}

extension UInt8 {
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
