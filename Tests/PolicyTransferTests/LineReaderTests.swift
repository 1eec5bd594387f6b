import Testing

@testable import PolicyTransfer

@Suite struct LineReaderTests {
    private func lines(_ text: String, limit: Int = 10, piece: Int) -> [LineReader.Line] {
        var reader = LineReader(limit: limit)
        var lines: [LineReader.Line] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            reader.feed(Array(rest.prefix(piece)))
            rest = rest.dropFirst(piece)
            while let line = reader.next() { lines.append(line) }
        }
        if let line = reader.finish() { lines.append(line) }
        return lines
    }

    @Test(arguments: [1, 2, 3, 7, 1_000])
    func `lines are the same in whatever pieces they come`(piece: Int) {
        let text = "one\n\ntwo\r\n0123456789\n0123456789A\n" + String(repeating: "x", count: 99) + "\nlast"
        let expected: [String?] = ["one", "", "two\r", "0123456789", nil, nil, "last"]
        let found = lines(text, piece: piece)
        #expect(found.map { $0.octets.map { String(decoding: $0, as: UTF8.self) } } == expected)
        #expect(found.map(\.number) == Array(1...7))
    }

    @Test func `an end in a line that is too long is a line as well`() {
        #expect(lines("0123456789A", piece: 4) == [LineReader.Line(number: 1, octets: nil)])
        #expect(lines("", piece: 4) == [])
        #expect(lines("a\n", piece: 4).count == 1)
    }

    @Test func `blanks and the CR of a CRLF make a blank line, one too long is none`() {
        #expect(lines(" \t\r\n\nx\n", piece: 9).map(\.isBlank) == [true, true, false])
        #expect(lines("           \n", piece: 9).map(\.isBlank) == [false])
    }
}
