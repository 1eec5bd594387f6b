import Testing

@testable import STSBridge

@Suite struct TextTableTests {
    private static let columns = [
        TextTable.Column(title: "DOMAIN", least: 10), TextTable.Column(title: "STATE"),
        TextTable.Column(title: "COUNT", rank: 1, isNumber: true), TextTable.Column(title: "WHY", rank: 2, least: 8),
    ]
    private static let rows: [[StyledText]] = [
        ["example.com", "enforce", "7", "a reason of some length"],
        ["a-longer-name.example.com", "testing", "1234", "-"],
    ]

    private func lines(_ width: Int?) -> [String] {
        TextTable.render(Self.columns, Self.rows, for: Terminal(width: width, hasColour: false))
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func `in a pipe every value stands in full, in columns`() {
        #expect(
            lines(nil) == [
                "DOMAIN                     STATE    COUNT  WHY",
                "example.com                enforce      7  a reason of some length",
                "a-longer-name.example.com  testing   1234  -",
            ])
    }

    @Test func `where there is room nothing is cut`() {
        #expect(lines(160) == lines(nil))
    }

    @Test func `where there is less, long values are cut and marked, the left ones last`() {
        #expect(
            lines(60) == [
                "DOMAIN                     STATE    COUNT  WHY",
                "example.com                enforce      7  a reason of some…",
                "a-longer-name.example.com  testing   1234  -",
            ])
    }

    @Test func `where there is little, what matters least is left out`() {
        // Never narrower than 40.
        #expect(lines(20) == lines(40))
        #expect(
            lines(40) == [
                "DOMAIN          STATE    COUNT  WHY",
                "example.com     enforce      7  a reaso…",
                "a-longer-name…  testing   1234  -",
            ])
        var narrow = Self.columns
        narrow[0].least = 30
        let text = TextTable.render(narrow, Self.rows, for: Terminal(width: 40, hasColour: false))
        #expect(!text.contains("WHY"))
        #expect(!text.contains("COUNT"))
        #expect(text.contains("testing"))
    }

    @Test(arguments: [40, 57, 80, 100, 160])
    func `no line is longer than the terminal is wide`(width: Int) {
        #expect(lines(width).allSatisfy { $0.count <= width })
    }

    @Test func `colours are around the text, not around what fills the column`() {
        let terminal = Terminal(width: 80, hasColour: true)
        let row: [StyledText] = ["a", StyledText("enforce", .good), StyledText("7", .warning), ""]
        let text = TextTable.render(Self.columns, [row], for: terminal)
        #expect(text.contains("a       \u{1B}[32menforce\u{1B}[0m      \u{1B}[33m7\u{1B}[0m"))
        #expect(text.hasPrefix("\u{1B}[1mDOMAIN\u{1B}[0m"))
    }
}

@Suite struct FactSheetTests {
    @Test func `facts stand under each other, and wrap at spaces on a terminal`() {
        func text(_ width: Int?) -> String {
            var sheet = FactSheet(for: Terminal(width: width, hasColour: false))
            sheet.fact("domain", "example.com")
            sheet.fact("why", "because of this and that and something else again")
            sheet.heading("More")
            sheet.fact("a label that is long", "x")
            return sheet.text
        }
        #expect(
            text(nil) == """
                domain        example.com
                why           because of this and that and something else again

                More
                a label that is long x
                """)
        #expect(
            text(40) == """
                domain        example.com
                why           because of this and that
                              and something else again

                More
                a label that is long x
                """)
    }

    @Test func `no line ends in a space: socketmap writes one behind NOTFOUND`() {
        for width in [nil, 40] {
            var sheet = FactSheet(for: Terminal(width: width, hasColour: false))
            sheet.fact("reply", "NOTFOUND ")
            #expect(sheet.text == "reply         NOTFOUND")
        }
    }

    @Test func `a word that is longer than a line stays whole`() {
        var sheet = FactSheet(for: Terminal(width: 40, hasColour: false))
        let word = String(repeating: "x", count: 60)
        sheet.fact("word", "a \(word) b")
        #expect(sheet.text.contains(word))
    }
}
