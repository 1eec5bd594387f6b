/// One service of master.cf(5).
package struct MasterService: Equatable, Sendable {
    /// What the chroot column says.
    package enum Chroot: Equatable, Sendable {
        case yes
        case no
        /// `-`: what the version and compatibility_level make of it.
        case standard
    }

    package let name: String
    /// `inet`, `unix`, `fifo`, `unix-dgram` or `pass`.
    package let type: String
    package let chroot: Chroot
    /// The program's file name: `smtp`.
    package let program: String
    /// Its `-o name=value`.
    package let overrides: [String: String]

    package init(name: String, type: String, chroot: Chroot, program: String, overrides: [String: String] = [:]) {
        self.name = name
        self.type = type
        self.chroot = chroot
        self.program = program
        self.overrides = overrides
    }

    /// Whether it runs smtp(8), the program by which mail leaves.
    var isSMTPClient: Bool { program == "smtp" && type == "unix" }

    /// From the file, or from `postconf -M`, which writes the same language.
    package static func all(in text: some StringProtocol) -> [MasterService] {
        LogicalLines.of(text).compactMap(MasterService.init(line:))
    }

    private init?(line: String) {
        let words = BracedWords.of(line, commas: false)
        guard words.count >= 8 else { return nil }
        let chroot: Chroot = words[4] == "y" ? .yes : words[4] == "n" ? .no : .standard
        self.init(
            name: words[0], type: words[1], chroot: chroot, program: words[7], overrides: Self.overrides(words[8...]))
    }

    /// Of `-o name=value`, `-oname=value` and `-o { name = value }`.
    private static func overrides(_ arguments: ArraySlice<String>) -> [String: String] {
        var overrides: [String: String] = [:]
        var rest = arguments
        while let word = rest.popFirst() {
            guard word.hasPrefix("-o") else { continue }
            guard var setting = word == "-o" ? rest.popFirst() : String(word.dropFirst(2)) else { break }
            if setting.hasPrefix("{"), setting.hasSuffix("}") { setting = setting.dropFirst().dropLast().trimmed }
            guard let (name, value) = PostfixParameters.pair(setting) else { continue }
            overrides[name] = value
        }
        return overrides
    }
}
