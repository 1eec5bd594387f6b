import ArgumentParser

/// Writes what `make install` installs, and what the tests compare README with. Not for users, so `--help` is silent.
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
        /// README's table of keys.
        case keys
    }

    @Argument(help: "Which.") var page: Page

    func run() throws {
        switch page {
        case .man8: print(try CommandManual.text(), terminator: "")
        case .yaml5: print(ConfigurationManual.manual(), terminator: "")
        case .example: print(ConfigurationManual.example(), terminator: "")
        case .keys: print(ConfigurationManual.table(), terminator: "")
        }
    }
}
