import AdminAPI
import ArgumentParser
import MTASTS

struct CacheForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Removes a domain from the cache, in memory and in the cache file.",
        discussion: """
            The next lookup starts from scratch. A policy that can no longer be fetched then protects no mail \
            any more. To replace an old policy by a new one, use `cache refresh` instead. To let mail through to a \
            domain that has broken its policy, use `exempt add` instead: after `cache forget`, the next lookup would \
            fetch the same policy again. Exemptions and pins stay.
              sts-bridge cache forget example.com
            Exit code 1 if a domain was not in the cache.
            """)

    @Argument(help: "Domains, in any spelling that Postfix may send.", transform: DomainArgument.parse)
    var domains: [PolicyDomain]
    @OptionGroup var options: OperatorOptions

    func run() async throws {
        var status = ExitStatus.success
        try await options.request { client in
            for domain in domains {
                do {
                    let response: ForgetResponse = try await client.delete(.entry(domain.name.text))
                    print(options.json ? try APIEncoding.text(response) : "forgot \(response.domain)")
                    if let warning = response.warning {
                        StandardError.write("\(domain) may come back after a restart: \(warning)")
                    }
                } catch AdminClientError.refused(status: 404, let problem) {
                    StandardError.write("sts-bridge: \(problem)")
                    status = .notFound
                }
            }
        }
        guard status == .success else { throw ExitCode(status.rawValue) }
    }
}
