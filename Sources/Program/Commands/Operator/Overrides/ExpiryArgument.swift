import ArgumentParser
import BridgeConfiguration
import TextFormats

/// The value of `--until`: a span from now on, a date, or a time.
struct ExpiryArgument: Sendable {
    private enum Form {
        case after(Duration)
        case at(WallTime)
    }

    private let form: Form
    let text: String

    static let expected = """
        a span such as 12h or 7d, a date such as 2026-12-24 (its beginning, UTC), or a time such as \
        2026-12-24T18:00:00Z or 2026-12-24T18:00:00+01:00
        """

    /// - Throws: `ValidationError` for anything else.
    static func parse(_ text: String) throws -> ExpiryArgument {
        guard let until = ExpiryArgument(text) else {
            throw ValidationError("expected \(expected)")
        }
        return until
    }

    init?(_ text: String) {
        self.text = text
        if let span = DurationFormat.parse(text) {
            guard span > .zero else { return nil }
            form = .after(span)
        } else if let time = RFC3339.time(from: text) ?? RFC3339.time(from: "\(text)T00:00:00Z")
            ?? Self.readWithOffset(text)
        {
            form = .at(time)
        } else {
            return nil
        }
    }

    /// - Throws: `CommandError` for a time in the past.
    func moment(now: WallTime) throws(CommandError) -> WallTime {
        switch form {
        case .after(let span): return now + span
        case .at(let time):
            guard time > now else {
                throw CommandError(
                    .usage,
                    reason:
                        "--until \(text) is in the past: it is \(TimeFormat.timestamp(now)); expected \(Self.expected)")
            }
            return time
        }
    }

    /// RFC 3339 §5.6, `time-numoffset`: `…+01:00` is an hour ahead of UTC.
    private static func readWithOffset(_ text: String) -> WallTime? {
        guard text.utf8.count > 6 else { return nil }
        let offset = text.suffix(6)
        let digits = offset.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
        guard let sign = offset.first, sign == "+" || sign == "-", digits.count == 2,
            digits.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let hours = Int(digits[0]), let minutes = Int(digits[1]), hours < 24, minutes < 60,
            let time = RFC3339.time(from: "\(text.dropLast(6))Z")
        else { return nil }
        let ahead = Duration.seconds(hours * 3_600 + minutes * 60)
        return sign == "+" ? time + (.zero - ahead) : time + ahead
    }
}
