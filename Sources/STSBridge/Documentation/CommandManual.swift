/// sts-bridge(8), from what `--help` says.
enum CommandManual {
    private typealias Command = HelpTree.Command
    private typealias Argument = HelpTree.Argument

    /// A command that does something, with the words that lead to it.
    private struct Leaf {
        let words: [String]
        let command: Command
    }

    static func text() throws -> String {
        let root = try HelpTree.read()
        let leaves = leaves(of: root, after: [])
        var manual = Manual(
            title: "STS-BRIDGE", section: 8, name: "sts-bridge",
            summary: "tell Postfix which TLS policy a destination demands")
        manual.section("SYNOPSIS")
        for leaf in leaves {
            manual.macro(".Nm")
            manual.macro(".Cm \(leaf.words.joined(separator: " "))")
            for argument in leaf.command.ownArguments { manual.macro(".\(usage(of: argument))") }
        }
        manual.section("DESCRIPTION")
        manual.paragraphs([root.abstract, root.discussion].compactMap(\.self).joined(separator: "\n"))
        manual.section("COMMANDS")
        manual.list(leaves) {
            "Cm \($0.words.joined(separator: " "))"
        } body: {
            describe($0.command, &$1)
        }
        manual.section("ENVIRONMENT")
        manual.paragraphs(
            """
            Each key of the configuration is also a variable, `STS_BRIDGE_` and the key in capitals: sts-bridge.yaml(5).

            With `NO_COLOR` set, or where `TERM` is `dumb`, the commands print no colours; `COLUMNS` is how wide they \
            print, whatever the terminal says. `MAIL_CONFIG` is the directory of main.cf, as for Postfix.
            """)
        manual.section("FILES")
        let defaults = Configuration()
        var files = [(ConfigurationReader.defaultPath, "The configuration."), (defaults.cachePath, "The cache.")]
        if let socket = defaults.adminSocket { files.append((socket, "Where the commands reach the daemon.")) }
        manual.list(files) {
            "Pa \($0.0)"
        } body: {
            $1.paragraphs($0.1)
        }
        manual.section("EXIT STATUS")
        manual.list(ExitStatus.allCases) {
            "\($0.rawValue)"
        } body: {
            $1.paragraphs($0.meaning)
        }
        manual.macro(".Pp")
        manual.paragraphs("Those of `doctor` are its own.")
        manual.section("SEE ALSO")
        manual.macro(".Xr postconf 5 ,\n.Xr socketmap_table 5 ,\n.Xr sts-bridge.yaml 5 ,\n.Xr tcp_table 5")
        manual.section("STANDARDS")
        manual.paragraphs("RFC 8461 (MTA-STS), RFC 7672 (DANE for SMTP).")
        return manual.text
    }

    private static func leaves(of command: Command, after words: [String]) -> [Leaf] {
        command.visible.flatMap { child in
            let words = words + [child.commandName]
            return child.visible.isEmpty ? [Leaf(words: words, command: child)] : leaves(of: child, after: words)
        }
    }

    private static func describe(_ command: Command, _ manual: inout Manual) {
        manual.paragraphs([command.abstract, command.discussion].compactMap(\.self).joined(separator: "\n\n"))
        manual.list(command.ownArguments, head: head) { argument, manual in
            manual.paragraphs([argument.abstract, argument.discussion].compactMap(\.self).joined(separator: "\n"))
            if let value = argument.defaultValue { manual.paragraphs("Default: `\(value)`.") }
        }
    }

    /// As in the synopsis: `Op Fl -config Ar file`.
    private static func usage(of argument: Argument) -> String {
        let name = argument.preferredName.map { "Fl \($0.text.dropFirst())" }
        let value = argument.kind == .flag ? nil : "Ar \(argument.valueName ?? "value")"
        let words = [name, value].compactMap(\.self).joined(separator: " ") + (argument.isRepeating ? " ..." : "")
        return argument.isOptional ? "Op \(words)" : words
    }

    /// All the names: `Fl h , Fl -help`.
    private static func head(_ argument: Argument) -> String {
        let names = (argument.names ?? []).map { "Fl \($0.text.dropFirst())" }.joined(separator: " , ")
        guard argument.kind != .flag else { return names }
        return [names, "Ar \(argument.valueName ?? "value")"].filter { !$0.isEmpty }.joined(separator: " ")
    }
}
