/// The lines of main.cf(5) and master.cf(5), without comments and empty lines, with continued lines joined.
enum LogicalLines {
    static func of(_ text: some StringProtocol) -> [String] {
        var lines: [String] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let content = line.trimmed
            guard !content.isEmpty, !content.hasPrefix("#") else { continue }
            if line.first?.isWhitespace == true, let last = lines.popLast() {
                lines.append(last + " " + content)
            } else {
                lines.append(content)
            }
        }
        return lines
    }
}

/// The words of a list in which braces protect blanks: `inline:{ { a = b } } static:c` has two.
enum BracedWords {
    /// - Parameter commas: whether commas separate words too, as in main.cf; in master.cf they do not.
    static func of(_ text: some StringProtocol, commas: Bool) -> [String] {
        var words: [String] = []
        var word = ""
        var depth = 0
        for character in text {
            if depth == 0, character.isWhitespace || commas && character == "," {
                if !word.isEmpty { words.append(word) }
                word = ""
                continue
            }
            if character == "{" { depth += 1 } else if character == "}", depth > 0 { depth -= 1 }
            word.append(character)
        }
        return word.isEmpty ? words : words + [word]
    }
}
