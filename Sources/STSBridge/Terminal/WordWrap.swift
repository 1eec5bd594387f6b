extension String {
    /// Lines of at most `width` columns, broken at spaces; no line ends in one.
    ///
    /// A word that is longer than a line stays whole: it may have to be copied.
    ///
    /// - Parameter width: `nil`: no terminal, so one line whatever its length.
    func wrapped(to width: Int?) -> [String] {
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
