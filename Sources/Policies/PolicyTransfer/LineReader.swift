/// Splits octets into lines.
///
/// Limits: discards the octets of a line that is longer than `limit` while they arrive.
struct LineReader {
    /// A line without its LF.
    struct Line: Equatable {
        /// Counted from 1.
        let number: Int
        /// `nil` if the line is longer than the limit.
        let octets: [UInt8]?

        /// Whether the line has only spaces, tabs and the CR of a CRLF.
        var isBlank: Bool { octets?.allSatisfy { [0x20, 0x09, 0x0D].contains($0) } ?? false }
    }

    private let limit: Int
    private var unread: ArraySlice<UInt8> = []
    private var line: [UInt8] = []
    private var isTooLong = false
    private var number = 1

    init(limit: Int) {
        self.limit = limit
    }

    mutating func feed(_ octets: [UInt8]) {
        unread += octets
    }

    /// Returns the next complete line, or `nil` if it needs more octets.
    mutating func next() -> Line? {
        guard let end = unread.firstIndex(of: UInt8(ascii: "\n")) else {
            append(unread)
            unread = []
            return nil
        }
        append(unread[..<end])
        unread = unread[(end + 1)...]
        return takeLine()
    }

    /// Returns the octets after the last LF as a line. Call it after `next` has returned `nil`.
    mutating func finish() -> Line? {
        isTooLong || !line.isEmpty ? takeLine() : nil
    }

    private mutating func append(_ octets: ArraySlice<UInt8>) {
        if line.count + octets.count > limit {
            isTooLong = true
            line = []
        }
        guard !isTooLong else { return }
        line += octets
    }

    private mutating func takeLine() -> Line {
        defer {
            line = []
            isTooLong = false
            number += 1
        }
        return Line(number: number, octets: isTooLong ? nil : line)
    }
}
