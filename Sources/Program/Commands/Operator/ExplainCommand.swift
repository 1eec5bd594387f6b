import AdminAPI
import ArgumentParser
import PostfixTable

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Explains the reply to Postfix for a destination: the rule behind it and the next steps.",
        discussion: """
            Shows the state of the daemon, so it is the reply that Postfix really gets: in each dialect, with the rule \
            and the section of the standard, the policy and its times, DANE for each host, the last failures and \
            lookups. It makes no query and changes nothing.
              sts-bridge explain example.com
              sts-bridge explain '[smtp.example.com]:587'
            With --live the daemon also makes a fresh discovery, does not store it, and lists the differences. \
            (sts-bridge query does the same without the daemon.)
            Exit code 0 if there is a policy, 1 if there is none, 3 if it could not be found out or has not been \
            looked up yet, 4 if the daemon cannot be reached. A key that cannot have a policy (an address, a single \
            label) gives 1 at once, as with sts-bridge query.
            """)

    @Argument(help: ArgumentHelp("The domain, or a key in the form that Postfix sends.", valueName: "domain"))
    var key: String
    @Flag(help: "Also make a fresh discovery, and list the differences.") var live = false
    @OptionGroup var options: OperatorOptions

    func run() async throws {
        // Whether a key can have a policy does not depend on the service names of this host.
        guard NextHop(key: Array(key.utf8), services: .wellKnown) != nil else { return try explainKeyWithoutPolicy() }
        let timeout = live ? AdminClient.discoveryTimeout : AdminClient.timeout
        let response = try await options.request(timeout: timeout) { client in
            try await Progress { _ in live ? "discovering \(key)" : "waiting for the daemon" }.during {
                try await client.get(.explain(key, live: live), as: ExplainResponse.self)
            }
        }
        try options.show(response) { ExplainFormatter.render($0, for: $1) }
        guard response.status == .success else { throw ExitCode(response.status.rawValue) }
    }

    /// The daemon answers such a key "not found" without any query.
    private func explainKeyWithoutPolicy() throws {
        let report = QueryReport(keyWithoutPolicy: key)
        try options.show(report) { QueryFormatter.format($0, for: $1) }
        StandardError.write("sts-bridge: \(DomainArgument.problem(with: key))")
        throw ExitCode(report.status.rawValue)
    }
}

extension ExplainResponse {
    fileprivate var status: ExitStatus {
        switch knowledge.outcome {
        case .policy: .success
        case .noPolicy: .notFound
        case .unknown: .unknown
        }
    }
}
