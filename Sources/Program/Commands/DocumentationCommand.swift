import ArgumentParser
import BridgeConfiguration

/// Writes the pages that `make install` installs, and the table that the tests compare with Documentation/configuration.md.
/// It is not for users, so `--help` does not show it.
struct DocumentationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "documentation",
        abstract: "Writes manual pages and the example configuration.",
        shouldDisplay: false)

    enum Page: String, CaseIterable, ExpressibleByArgument {
        case man8
        case yaml5
        /// The example configuration.
        case example
        /// The table of keys in Markdown.
        case keys
    }

    @Argument(help: "The page to write.") var page: Page

    func run() throws {
        switch page {
        case .man8: print(try CommandManual.text(), terminator: "")
        case .yaml5: print(ConfigurationManual.manual(.current), terminator: "")
        case .example: print(ConfigurationManual.example(), terminator: "")
        case .keys: print(ConfigurationManual.table(), terminator: "")
        }
    }
}
