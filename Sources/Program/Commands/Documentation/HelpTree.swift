import ArgumentParser
import Foundation

/// The help texts of all commands, as ArgumentParser exports them.
struct HelpTree: Decodable {
    struct Command: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        private let shouldDisplay: Bool?
        private let subcommands: [Command]?
        private let arguments: [Argument]?

        /// The subcommands that `--help` shows, except `help`.
        var visible: [Command] {
            (subcommands ?? []).filter { $0.shouldDisplay ?? true && $0.commandName != "help" }
        }

        /// The arguments that `--help` shows, except `--help` and `--version`.
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

            /// The name with its dashes.
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

    /// - Throws: `DecodingError` if ArgumentParser has changed its export format.
    static func read() throws -> Command {
        try JSONDecoder().decode(HelpTree.self, from: Data(STSBridgeCommand._dumpHelp().utf8)).command
    }
}
