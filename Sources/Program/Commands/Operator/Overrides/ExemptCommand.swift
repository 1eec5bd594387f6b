import AdminAPI
import ArgumentParser
import MTASTS

struct ExemptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exempt",
        abstract: "Lets mail through to domains that have broken their own policy.",
        discussion: """
            An exempted domain is answered "not found", as if it had no MTA-STS and no DANE, so that Postfix's own \
            level applies. The exemption is in force at once, for this domain and not for its subdomains. Mail in \
            the queue goes at its next retry (postqueue -f). The log warns before the exemption ends, and when it \
            ends.
            """,
        subcommands: [AddCommand.self, ListCommand.self, RemoveCommand.self])

    struct AddCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Exempts a domain.",
            discussion: """
                  sts-bridge exempt add example.com --until 7d --reason 'expired, #4711'
                If Postfix's own level or its own DANE would still hold the mail, use --as may: TLS where it is \
                offered, without a check of the certificate. A pin of the same domain is replaced.
                """)

        @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse)
        var domain: PolicyDomain
        @OptionGroup var override: OverrideOptions
        @Option(
            name: .customLong("as"),
            help: ArgumentHelp("The reply to Postfix: not-found, or may.", valueName: "reply"))
        var reply = ExemptionReply.notFound
        @OptionGroup var options: OperatorOptions

        func run() async throws {
            let body = ExemptionRequest(
                reason: override.reason, until: try OverrideCommands.timestamp(override.until), as: reply)
            try await OverrideCommands.add(.exemption(domain.name.text), body: body, options: options)
        }
    }

    struct ListCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Lists the exempted domains with reason, author and end.")

        @OptionGroup var options: OperatorOptions

        func run() async throws {
            try await OverrideCommands.list(.exemptions, options: options, remark: "no domain is exempted")
        }
    }

    struct RemoveCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Ends the exemption of a domain at once.",
            discussion: "A pin of the domain stays. Exit code 1 if the domain is not exempted.")

        @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse)
        var domain: PolicyDomain
        @OptionGroup var options: OperatorOptions

        func run() async throws {
            try await OverrideCommands.remove(.exemption(domain.name.text), options: options)
        }
    }
}

extension ExemptionReply: ExpressibleByArgument {}
