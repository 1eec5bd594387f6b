import AdminAPI
import ArgumentParser
import MTASTS
import TextFormats

struct CacheShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows what the cache knows of one domain.",
        discussion: """
            Shows the policy and its times, the last answer of DNS, and the last failure. To see the reply to Postfix \
            and the reason for it:
              sts-bridge explain example.com
            Exit code 1 if the domain is not in the cache.
            """)

    @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse) var domain: PolicyDomain
    @OptionGroup var options: OperatorOptions

    func run() async throws {
        let (entry, now) = try await options.request { client in
            (try await client.get(.entry(domain.name.text), as: EntryResponse.self), WallTime.current)
        }
        try options.show(entry) { EntryFormatter.render($0, now: now, for: $1) }
    }
}
