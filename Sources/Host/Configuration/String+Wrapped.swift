extension String {
    /// Breaks the text at spaces into lines of at most `width` columns, without spaces at their ends.
    ///
    /// A word that is longer than a line stays whole, so that a user can copy it.
    ///
    /// - Parameter width: `nil`: no limit, for output that is not a terminal.
    package func wrapped(to width: Int?) -> [String] {
        guard let width else {
            var line = self[...]
            while line.last == " " { line.removeLast() }
            return [String(line)]
        }
        var lines = [""]
        for word in split(separator: " ") {
            let last = lines.count - 1
            if lines[last].isEmpty {
                lines[last] = String(word)
            } else if lines[last].count + 1 + word.count <= width {
                lines[last] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
