import Admin
import ArgumentParser
import PostfixTable

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Explains what Postfix is told about a destination now, why, and what happens next.",
        discussion: """
            From the daemon's own state, so it is what Postfix really hears: the answer in each dialect, the rule \
            and where the standard says so, the policy and its ages, DANE host by host, the last failures and \
            lookups. It asks nobody and changes nothing.
              sts-bridge explain example.com
              sts-bridge explain '[smtp.example.com]:587'
            With --live the daemon also makes a discovery of its own beside that, which it does not keep, and the \
            differences are named. (sts-bridge query does the same without the daemon.)
            Exit code 0 when there is a policy, 1 when there is none, 3 when it could not be found out, or nobody \
            has asked for it yet, 4 when the daemon is not reachable. A key that can have no policy (an address, a \
            single label) is 1 at once, as with sts-bridge query.
            """)

    @Argument(help: ArgumentHelp("The domain, or the key as Postfix sends it.", valueName: "domain"))
    var key: String
    @Flag(help: "Put a fresh discovery beside it, and name the differences.") var live = false
    @OptionGroup var options: OperatorOptions

    func run() async throws {
        // Whether a key can have a policy does not depend on the host's services.
        guard NextHop(key: Array(key.utf8), services: .wellKnown) != nil else { return try explainKeyWithoutPolicy() }
        let patience = live ? AdminClient.patienceWithWorld : AdminClient.patience
        let explained = try await options.ask(patience: patience) { client in
            try await Progress { _ in live ? "asking the world about \(key)" : "asking the daemon" }.during {
                try await client.get(.explain(key, live: live), as: Explained.self)
            }
        }
        try options.show(explained, ExplainText.render)
        guard explained.status == .success else { throw ExitCode(explained.status.rawValue) }
    }

    /// The daemon answers such a key without looking at anything.
    private func explainKeyWithoutPolicy() throws {
        let report = QueryReport(keyWithoutPolicy: key)
        try options.show(report, QueryText.render)
        StandardError.tell("sts-bridge: \(DomainArgument.problem(with: key))")
        throw ExitCode(report.status.rawValue)
    }
}

extension Explained {
    fileprivate var status: ExitStatus {
        switch known.outcome {
        case "policy": .success
        case "no-policy": .notFound
        default: .unknown
        }
    }
}
