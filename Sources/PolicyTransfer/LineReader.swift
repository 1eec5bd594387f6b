/// Octets in, lines out.
///
/// Limits: a line longer than `limit` is passed over while it comes in; of it nothing is kept but that it was there.
struct LineReader {
    /// Without its LF.
    struct Line: Equatable {
        /// Counted from 1.
        let number: Int
        /// `nil`: longer than the limit.
        let octets: [UInt8]?

        /// Nothing, or blanks; the CR of a CRLF is one.
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

    /// The next line that has ended; `nil`: more octets are needed.
    mutating func next() -> Line? {
        guard let end = unread.firstIndex(of: UInt8(ascii: "\n")) else {
            keep(unread)
            unread = []
            return nil
        }
        keep(unread[..<end])
        unread = unread[(end + 1)...]
        return take()
    }

    /// What came after the last LF, once `next` has said that there is no more.
    mutating func finish() -> Line? {
        isTooLong || !line.isEmpty ? take() : nil
    }

    private mutating func keep(_ piece: ArraySlice<UInt8>) {
        if line.count + piece.count > limit {
            isTooLong = true
            line = []
        }
        guard !isTooLong else { return }
        line += piece
    }

    private mutating func take() -> Line {
        defer {
            line = []
            isTooLong = false
            number += 1
        }
        return Line(number: number, octets: isTooLong ? nil : line)
    }
}
