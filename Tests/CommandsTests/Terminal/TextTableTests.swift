import Testing

@testable import Commands

@Suite struct TextTableTests {
    private static let columns = [
        TextTable.Column(title: "DOMAIN", minimumWidth: 10), TextTable.Column(title: "STATE"),
        TextTable.Column(title: "COUNT", dropOrder: 1, isNumber: true),
        TextTable.Column(title: "WHY", dropOrder: 2, minimumWidth: 8),
    ]
    private static let rows: [[StyledText]] = [
        ["example.com", "enforce", "7", "a reason of some length"],
        ["a-longer-name.example.com", "testing", "1234", "-"],
    ]

    private func lines(_ width: Int?) -> [String] {
        TextTable.render(Self.columns, rows: Self.rows, for: Terminal(width: width, hasColour: false))
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func `in a pipe every value is complete, in columns`() {
        #expect(
            lines(nil) == [
                "DOMAIN                     STATE    COUNT  WHY",
                "example.com                enforce      7  a reason of some length",
                "a-longer-name.example.com  testing   1234  -",
            ])
    }

    @Test func `on a wide terminal nothing is cut`() {
        #expect(lines(160) == lines(nil))
    }

    @Test func `on a narrower terminal long values are cut and marked, the left columns last`() {
        #expect(
            lines(60) == [
                "DOMAIN                     STATE    COUNT  WHY",
                "example.com                enforce      7  a reason of some…",
                "a-longer-name.example.com  testing   1234  -",
            ])
    }

    @Test func `on a narrow terminal the least important columns are dropped`() {
        // The minimum width is 40.
        #expect(lines(20) == lines(40))
        #expect(
            lines(40) == [
                "DOMAIN          STATE    COUNT  WHY",
                "example.com     enforce      7  a reaso…",
                "a-longer-name…  testing   1234  -",
            ])
        var narrow = Self.columns
        narrow[0].minimumWidth = 30
        let text = TextTable.render(narrow, rows: Self.rows, for: Terminal(width: 40, hasColour: false))
        #expect(!text.contains("WHY"))
        #expect(!text.contains("COUNT"))
        #expect(text.contains("testing"))
    }

    @Test(arguments: [40, 57, 80, 100, 160])
    func `no line is longer than the width of the terminal`(width: Int) {
        #expect(lines(width).allSatisfy { $0.count <= width })
    }

    @Test func `colours enclose the text, not the padding`() {
        let terminal = Terminal(width: 80, hasColour: true)
        let row: [StyledText] = ["a", StyledText("enforce", style: .good), StyledText("7", style: .warning), ""]
        let text = TextTable.render(Self.columns, rows: [row], for: terminal)
        #expect(text.contains("a       \u{1B}[32menforce\u{1B}[0m      \u{1B}[33m7\u{1B}[0m"))
        #expect(text.hasPrefix("\u{1B}[1mDOMAIN\u{1B}[0m"))
    }
}

@Suite struct FieldListTests {
    @Test func `fields are in one column, and wrap at spaces on a terminal`() {
        func text(_ width: Int?) -> String {
            var fields = FieldList(for: Terminal(width: width, hasColour: false))
            fields.add("domain", value: "example.com")
            fields.add("why", value: "because of this and that and something else again")
            fields.heading("More")
            fields.add("a label that is long", value: "x")
            return fields.text
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

    @Test func `no line ends in a space, although socketmap writes one after NOTFOUND`() {
        for width in [nil, 40] {
            var fields = FieldList(for: Terminal(width: width, hasColour: false))
            fields.add("reply", value: "NOTFOUND ")
            #expect(fields.text == "reply         NOTFOUND")
        }
    }

    @Test func `a word that is longer than a line stays whole`() {
        var fields = FieldList(for: Terminal(width: 40, hasColour: false))
        let word = String(repeating: "x", count: 60)
        fields.add("word", value: "a \(word) b")
        #expect(fields.text.contains(word))
    }
}
