/// One service of master.cf(5).
package struct MasterCF: Equatable, Sendable {
    /// The chroot column.
    package enum Chroot: Equatable, Sendable {
        case yes
        case no
        /// `-`: the default, which depends on the version and on compatibility_level.
        case standard
    }

    package let name: String
    /// `inet`, `unix`, `fifo`, `unix-dgram` or `pass`.
    package let type: String
    package let chroot: Chroot
    /// The program's file name: `smtp`.
    package let program: String
    /// The service's `-o name=value` settings.
    package let overrides: [String: String]

    package init(name: String, type: String, chroot: Chroot, program: String, overrides: [String: String] = [:]) {
        self.name = name
        self.type = type
        self.chroot = chroot
        self.program = program
        self.overrides = overrides
    }

    /// Whether the service runs smtp(8), the program that sends mail.
    var isSMTPClient: Bool { program == "smtp" && type == "unix" }

    /// Parses the file, or the output of `postconf -M`, which has the same syntax.
    package static func all(in text: some StringProtocol) -> [MasterCF] {
        LogicalLines.of(text).compactMap(MasterCF.init(line:))
    }

    private init?(line: String) {
        let words = BracedWords.of(line, commas: false)
        guard words.count >= 8 else { return nil }
        let chroot: Chroot = words[4] == "y" ? .yes : words[4] == "n" ? .no : .standard
        self.init(
            name: words[0], type: words[1], chroot: chroot, program: words[7], overrides: Self.overrides(words[8...]))
    }

    /// Parses `-o name=value`, `-oname=value` and `-o { name = value }`.
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
