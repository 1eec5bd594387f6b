import Testing

@testable import PolicyTransfer

@Suite struct LineReaderTests {
    private func lines(_ text: String, limit: Int = 10, chunkSize: Int) -> [LineReader.Line] {
        var reader = LineReader(limit: limit)
        var lines: [LineReader.Line] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            reader.feed(Array(rest.prefix(chunkSize)))
            rest = rest.dropFirst(chunkSize)
            while let line = reader.next() { lines.append(line) }
        }
        if let line = reader.finish() { lines.append(line) }
        return lines
    }

    @Test(arguments: [1, 2, 3, 7, 1_000])
    func `the size of the chunks does not change the lines`(chunkSize: Int) {
        let text = "one\n\ntwo\r\n0123456789\n0123456789A\n" + String(repeating: "x", count: 99) + "\nlast"
        let expected: [String?] = ["one", "", "two\r", "0123456789", nil, nil, "last"]
        let found = lines(text, chunkSize: chunkSize)
        #expect(found.map { $0.octets.map { String(decoding: $0, as: UTF8.self) } } == expected)
        #expect(found.map(\.number) == Array(1...7))
    }

    @Test func `the end of the file within a line that is too long ends that line`() {
        #expect(lines("0123456789A", chunkSize: 4) == [LineReader.Line(number: 1, octets: nil)])
        #expect(lines("", chunkSize: 4) == [])
        #expect(lines("a\n", chunkSize: 4).count == 1)
    }

    @Test func `a line of blanks and a CR is blank, a line that is too long is not`() {
        #expect(lines(" \t\r\n\nx\n", chunkSize: 9).map(\.isBlank) == [true, true, false])
        #expect(lines("           \n", chunkSize: 9).map(\.isBlank) == [false])
    }
}
