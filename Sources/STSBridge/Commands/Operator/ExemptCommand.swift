import Admin
import ArgumentParser
import MTASTS

struct ExemptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exempt",
        abstract: "Lets mail through to domains that have broken their own policy.",
        discussion: """
            For an exempted domain Postfix is told nothing, as if it had no MTA-STS and no DANE; its own level \
            applies. It is in force at once and for this one domain, not for what is below it; mail that waits goes \
            at its next retry (postqueue -f). The log warns before it ends, and when it does.
            """,
        subcommands: [AddCommand.self, ListCommand.self, RemoveCommand.self])

    struct AddCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Exempts a domain.",
            discussion: """
                  sts-bridge exempt add example.com --until 7d --reason 'expired, #4711'
                Where Postfix's own level or its own DANE would hold the mail too, --as may replaces them: TLS where \
                it is offered, with anybody. A pin of the same domain is replaced.
                """)

        @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse)
        var domain: PolicyDomain
        @OptionGroup var order: OrderOptions
        @Option(
            name: .customLong("as"),
            help: ArgumentHelp("What Postfix is told: not-found, or may.", valueName: "reply"))
        var answer = Answer.notFound
        @OptionGroup var options: OperatorOptions

        enum Answer: String, ExpressibleByArgument, CaseIterable {
            case notFound = "not-found"
            case may
        }

        func run() async throws {
            let body = Exemption(
                reason: order.reason, until: try OrderCommands.moment(order.until), as: answer.rawValue)
            try await OrderCommands.add(.exemption(domain.name.text), body, options)
        }
    }

    struct ListCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Lists the exempted domains: why, by whom, until when.")

        @OptionGroup var options: OperatorOptions

        func run() async throws {
            try await OrderCommands.list(.exemptions, options, nothing: "no domain is exempted")
        }
    }

    struct RemoveCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Ends the exemption of a domain, at once.",
            discussion: "Exit code 1 when the domain is not exempted.")

        @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse)
        var domain: PolicyDomain
        @OptionGroup var options: OperatorOptions

        func run() async throws { try await OrderCommands.remove(.exemption(domain.name.text), options) }
    }
}
