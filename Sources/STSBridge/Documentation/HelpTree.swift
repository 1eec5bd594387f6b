import ArgumentParser
import Foundation

/// The command line as ArgumentParser itself describes it: what `--help` says, as values.
struct HelpTree: Decodable {
    struct Command: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        private let shouldDisplay: Bool?
        private let subcommands: [Command]?
        private let arguments: [Argument]?

        /// Those that `--help` shows; without `help`, which is everywhere.
        var visible: [Command] {
            (subcommands ?? []).filter { $0.shouldDisplay ?? true && $0.commandName != "help" }
        }

        /// Those that `--help` shows; without `--help` and `--version`, which are everywhere.
        var ownArguments: [Argument] {
            (arguments ?? []).filter { $0.shouldDisplay && !["help", "version"].contains($0.preferredName?.name) }
        }
    }

    struct Argument: Decodable {
        enum Kind: String, Decodable {
            case positional, option, flag
        }

        struct Name: Decodable {
            let kind: String
            let name: String

            /// With its dashes.
            var text: String { (kind == "long" ? "--" : "-") + name }
        }

        let kind: Kind
        let shouldDisplay: Bool
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
        let preferredName: Name?
        let valueName: String?
        let defaultValue: String?
        let abstract: String?
        let discussion: String?
    }

    let command: Command

    /// - Throws: when ArgumentParser describes itself in another way than it did.
    static func read() throws -> Command {
        try JSONDecoder().decode(HelpTree.self, from: Data(STSBridgeCommand._dumpHelp().utf8)).command
    }
}
