import BridgeDaemon

import BridgeConfiguration

/// Generates sts-bridge(8) from the help texts of the commands.
enum CommandManual {
    private typealias Command = HelpTree.Command
    private typealias Argument = HelpTree.Argument

    /// A command without subcommands, with the words of its command line.
    private struct Leaf {
        let words: [String]
        let command: Command
    }

    static func text() throws -> String {
        let root = try HelpTree.read()
        let leaves = leaves(of: root, after: [])
        var manual = ManualPage(
            title: "STS-BRIDGE", section: 8, name: "sts-bridge",
            summary: "TLS policies of MTA-STS and DANE for Postfix", release: .current)
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
            describe($0.command, in: &$1)
        }
        manual.section("ENVIRONMENT")
        manual.paragraphs(
            """
            Each key of the configuration is also an environment variable, `STS_BRIDGE_` and the key in capitals: \
            sts-bridge.yaml(5).

            If `NO_COLOR` is set, or if `TERM` is `dumb`, the commands print no colours. `COLUMNS` sets the width of \
            their output. `MAIL_CONFIG` is the directory of main.cf, as for Postfix.
            """)
        manual.section("FILES")
        let defaults = Configuration()
        var files = [(ConfigurationReader.defaultPath, "The configuration."), (defaults.cachePath, "The cache file.")]
        if let socket = defaults.adminSocket {
            files.append((socket, "The socket on which the daemon accepts commands."))
        }
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
        manual.paragraphs("`doctor` has exit codes of its own.")
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

    private static func describe(_ command: Command, in manual: inout ManualPage) {
        manual.paragraphs([command.abstract, command.discussion].compactMap(\.self).joined(separator: "\n\n"))
        manual.list(command.ownArguments, head: head) { argument, manual in
            manual.paragraphs([argument.abstract, argument.discussion].compactMap(\.self).joined(separator: "\n"))
            if let value = argument.defaultValue { manual.paragraphs("Default: `\(value)`.") }
        }
    }

    /// Returns the argument for the synopsis: `Op Fl -config Ar file`.
    private static func usage(of argument: Argument) -> String {
        let name = argument.preferredName.map { "Fl \($0.text.dropFirst())" }
        let value = argument.kind == .flag ? nil : "Ar \(argument.valueName ?? "value")"
        let words = [name, value].compactMap(\.self).joined(separator: " ") + (argument.isRepeating ? " ..." : "")
        return argument.isOptional ? "Op \(words)" : words
    }

    /// Returns all names of the argument: `Fl h , Fl -help`.
    private static func head(_ argument: Argument) -> String {
        let names = (argument.names ?? []).map { "Fl \($0.text.dropFirst())" }.joined(separator: " , ")
        guard argument.kind != .flag else { return names }
        return [names, "Ar \(argument.valueName ?? "value")"].filter { !$0.isEmpty }.joined(separator: " ")
    }
}

extension ManualPage.Release {
    /// The release of this program.
    static let current = ManualPage.Release(version: Version.current, date: Version.date)
}
