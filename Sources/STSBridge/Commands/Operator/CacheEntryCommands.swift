import Admin
import ArgumentParser
import MTASTS
import PolicyService

struct CacheShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows what the daemon remembers of one domain.",
        discussion: """
            Its policy, since when and until when, what DNS last said, what failed. What Postfix is told and why is \
            shown by
              sts-bridge explain example.com
            Exit code 1 when nothing is remembered of it.
            """)

    @Argument(help: "In any spelling that Postfix may send.", transform: DomainArgument.parse) var domain: PolicyDomain
    @OptionGroup var options: OperatorOptions

    func run() async throws {
        let (entry, now) = try await options.ask { client in
            (try await client.get(.entry(domain.name.text), as: Entry.self), WallTime.current)
        }
        try options.show(entry) { EntryText.render($0, now: now, for: $1) }
    }
}

struct CacheForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Makes the daemon forget a domain, in memory and in its file.",
        discussion: """
            The next lookup begins anew, as for a domain that was never asked for. That gives up the protection of a \
            policy that can no longer be fetched: to get a new one in place of an old one, refresh instead. To let \
            mail through to a domain that has broken its policy, exempt it instead: forgetting would only learn the \
            same policy again. Orders (exempt, pin) stay.
              sts-bridge cache forget example.com
            Exit code 1 when nothing was remembered of a domain.
            """)

    @Argument(help: "Domains, in any spelling that Postfix may send.", transform: DomainArgument.parse)
    var domains: [PolicyDomain]
    @OptionGroup var options: OperatorOptions

    func run() async throws {
        var status = ExitStatus.success
        try await options.ask { client in
            for domain in domains {
                do {
                    let forgotten: Forgotten = try await client.delete(.entry(domain.name.text))
                    print(options.json ? try JSONText.line(forgotten) : "forgot \(forgotten.domain)")
                    if let warning = forgotten.warning {
                        StandardError.tell("\(domain) may be back after a restart: \(warning)")
                    }
                } catch AdminClientFailure.refused(status: 404, let problem) {
                    StandardError.tell("sts-bridge: \(problem)")
                    status = .notFound
                }
            }
        }
        guard status == .success else { throw ExitCode(status.rawValue) }
    }
}
