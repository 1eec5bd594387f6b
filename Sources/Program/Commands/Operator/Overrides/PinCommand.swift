import AdminAPI
import ArgumentParser
import MTASTS
import TextFormats

struct PinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Requires authenticated TLS for domains, whatever they publish.",
        discussion: """
            Mail to a pinned domain goes only to hosts with a certificate for one of the given names. Without names, \
            those of the domain's policy count, whatever its mode. Use it for partners without a policy, or with a \
            policy in mode testing. A pin goes before DANE. It is in force at once, for this domain and not for its \
            subdomains.
            """,
        subcommands: [AddCommand.self, ListCommand.self, RemoveCommand.self])

    struct AddCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Pins a domain.",
            discussion: """
                  sts-bridge pin add a.example --match 'mx.a.example,*.b.example' --reason law
                  sts-bridge pin add b.example --reason 'they test, we enforce'
                *.example.com stands for any one label below example.com. Without --match and without a policy, mail \
                waits. An exemption of the same domain is replaced.
                """)

        @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse)
        var domain: PolicyDomain
        @OptionGroup var override: OverrideOptions
        @Option(
            help: ArgumentHelp(
                "Names of its MX hosts, separated by commas. Default: those of its policy.", valueName: "name,…"),
            transform: Self.names)
        var match: [String] = []
        @OptionGroup var options: OperatorOptions

        func run() async throws {
            let body = PinRequest(
                reason: override.reason, until: try OverrideCommands.timestamp(override.until), match: match)
            try await OverrideCommands.add(.pin(domain.name.text), body: body, options: options)
        }

        private static func names(_ text: String) throws -> [String] {
            try text.split(separator: ",", omittingEmptySubsequences: false).map { name in
                guard let pattern = MXPattern(name), pattern.canNameHost else {
                    throw ValidationError(
                        "\"\(UntrustedText.escaped(name))\" is not a name of an MX host; give names like "
                            + "mx.example.com or *.example.com")
                }
                return pattern.description
            }
        }
    }

    struct ListCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Lists the pinned domains with names, reason, author and end.")

        @OptionGroup var options: OperatorOptions

        func run() async throws {
            try await OverrideCommands.list(.pins, options: options, remark: "no domain is pinned")
        }
    }

    struct RemoveCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Ends the pin of a domain at once.",
            discussion: "An exemption of the domain stays. Exit code 1 if the domain is not pinned.")

        @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse)
        var domain: PolicyDomain
        @OptionGroup var options: OperatorOptions

        func run() async throws { try await OverrideCommands.remove(.pin(domain.name.text), options: options) }
    }
}
