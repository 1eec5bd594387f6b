import Admin
import ArgumentParser
import MTASTS

struct PinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Demands authenticated TLS for domains, whatever they publish.",
        discussion: """
            Mail to a pinned domain goes only to hosts with a certificate for one of the given names; without names, \
            for one of those of its policy, whatever the policy's mode. For partners who have no policy, or only \
            test theirs. It goes before DANE, is in force at once, and for this one domain, not for what is below \
            it.
            """,
        subcommands: [AddCommand.self, ListCommand.self, RemoveCommand.self])

    struct AddCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Pins a domain.",
            discussion: """
                  sts-bridge pin add a.example --match 'mx.a.example,*.b.example' --reason law
                  sts-bridge pin add b.example --reason 'they test, we enforce'
                *.example.com stands for any one label below example.com. Without --match and without a policy mail \
                waits. An exemption of the same domain is replaced.
                """)

        @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse)
        var domain: PolicyDomain
        @OptionGroup var order: OrderOptions
        @Option(
            help: ArgumentHelp(
                "Names of its MX hosts, separated by commas. Default: its policy's.", valueName: "name,…"),
            transform: Self.names)
        var match: [String] = []
        @OptionGroup var options: OperatorOptions

        func run() async throws {
            let body = Pin(reason: order.reason, until: try OrderCommands.moment(order.until), match: match)
            try await OrderCommands.add(.pin(domain.name.text), body, options)
        }

        private static func names(_ text: String) throws -> [String] {
            try text.split(separator: ",", omittingEmptySubsequences: false).map { name in
                guard let pattern = MXPattern(name), pattern.canNameHost else {
                    throw ValidationError(
                        "\"\(RemoteText.escaped(name))\" is no name of an MX host; give names like mx.example.com or "
                            + "*.example.com")
                }
                return pattern.description
            }
        }
    }

    struct ListCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Lists the pinned domains: to what, why, by whom, until when.")

        @OptionGroup var options: OperatorOptions

        func run() async throws {
            try await OrderCommands.list(.pins, options, nothing: "no domain is pinned")
        }
    }

    struct RemoveCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Ends the pin of a domain, at once.",
            discussion: "Exit code 1 when the domain is not pinned.")

        @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse)
        var domain: PolicyDomain
        @OptionGroup var options: OperatorOptions

        func run() async throws { try await OrderCommands.remove(.pin(domain.name.text), options) }
    }
}
