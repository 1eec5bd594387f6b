import Admin
import ArgumentParser
import MTASTS
import PolicyService

struct CacheRefreshCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refresh",
        abstract: "Asks for a domain's record and fetches its policy now.",
        discussion: """
            Whatever TTL, id and back-off say: for a policy that was changed without a new id, or a host that works \
            again. What is held stays in force when the fetch fails. Postfix is answered meanwhile as ever.
              sts-bridge cache refresh example.com
              sts-bridge cache refresh --failing
            Exit code 0 when each has a policy, 1 when one has none, 3 when one could not be found out.
            """)

    @Argument(help: "Domains, in any spelling that Postfix may send.", transform: DomainArgument.parse)
    var domains: [PolicyDomain] = []
    @Flag(help: "All domains whose last TXT query or fetch failed.") var failing = false
    @OptionGroup var options: OperatorOptions

    /// Refreshes under way: the daemon has lookups to serve besides.
    private static let atOnce = 4

    func validate() throws {
        guard failing != !domains.isEmpty else { throw ValidationError("give domains, or --failing") }
    }

    func run() async throws {
        let results = try await options.ask(patience: AdminClient.patienceWithWorld) { client in
            let names = failing ? try await Self.failing(client) : domains.map(\.name.text)
            return try await refresh(names, client)
        }
        if !options.json, results.isEmpty { print("nothing fails") }
        let worst = results.map(\.status).max { $0.rawValue < $1.rawValue } ?? .success
        guard worst == .success else { throw ExitCode(worst.rawValue) }
    }

    private static func failing(_ client: AdminClient) async throws -> [String] {
        var names: [String] = []
        let target = Target("/v1/entries", query: [("all", "true"), ("failing", "true")])
        try await client.lines(target, of: EntryLine.self) { names.append($0.domain) }
        return names
    }

    private func refresh(_ names: [String], _ client: AdminClient) async throws -> [Refreshed] {
        let progress = Progress { done in
            names.count == 1 ? "refreshing \(names[0])" : "refreshed \(done) of \(names.count)"
        }
        return try await progress.during {
            try await withThrowingTaskGroup(of: Refreshed.self) { group in
                var results: [Refreshed] = []
                for (place, name) in names.enumerated() {
                    if place >= Self.atOnce, let result = try await group.next() {
                        results.append(try told(result, progress))
                    }
                    group.addTask {
                        let result: Refreshed = try await client.post(.refresh(name))
                        progress.step()
                        return result
                    }
                }
                for try await result in group { results.append(try told(result, progress)) }
                return results
            }
        }
    }

    private func told(_ result: Refreshed, _ progress: Progress) throws -> Refreshed {
        progress.clear()
        print(options.json ? try JSONText.line(result) : "\(result.domain): \(result.outcome), \(result.text)")
        return result
    }
}

extension Refreshed {
    fileprivate var status: ExitStatus {
        switch outcome {
        case Self.renewed, Self.changed: .success
        case Self.noRecord: .notFound
        default: .unknown
        }
    }
}
