import AdminAPI
import ArgumentParser
import MTASTS

struct CacheRefreshCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refresh",
        abstract: "Queries a domain's record and fetches its policy now.",
        discussion: """
            Ignores TTL, id and back-off. Use it for a policy that was changed without a new id, or for a policy host \
            that works again. If the fetch fails, the cached policy still applies. Lookups are answered as usual \
            meanwhile.
              sts-bridge cache refresh example.com
              sts-bridge cache refresh --failing
            Exit code 0 if each domain has a policy, 1 if one has none, 3 if it could not be found out for one.
            """)

    @Argument(help: "Domains, in any spelling that Postfix may send.", transform: DomainArgument.parse)
    var domains: [PolicyDomain] = []
    @Flag(help: "All domains whose last TXT query or fetch failed.") var failing = false
    @OptionGroup var options: OperatorOptions

    /// Refreshes at the same time: the daemon also serves lookups.
    private static let maximumConcurrent = 4

    func validate() throws {
        guard failing != !domains.isEmpty else { throw ValidationError("give domains, or --failing") }
    }

    func run() async throws {
        let responses = try await options.request(timeout: AdminClient.discoveryTimeout) { client in
            let names = failing ? try await Self.failingNames(client) : domains.map(\.name.text)
            return try await refresh(names, client: client)
        }
        if !options.json, responses.isEmpty { print("no domain is failing") }
        let worst = responses.map(\.status).max { $0.rawValue < $1.rawValue } ?? .success
        guard worst == .success else { throw ExitCode(worst.rawValue) }
    }

    private static func failingNames(_ client: AdminClient) async throws -> [String] {
        var names: [String] = []
        let endpoint = AdminEndpoint.entries(query: [("all", "true"), ("failing", "true")])
        try await client.lines(endpoint, of: EntrySummary.self) { names.append($0.domain) }
        return names
    }

    private func refresh(_ names: [String], client: AdminClient) async throws -> [RefreshResponse] {
        let progress = Progress { done in
            names.count == 1 ? "refreshing \(names[0])" : "refreshed \(done) of \(names.count)"
        }
        return try await progress.during {
            try await withThrowingTaskGroup(of: RefreshResponse.self) { group in
                var responses: [RefreshResponse] = []
                func report(_ response: RefreshResponse) throws {
                    progress.clear()
                    print(try description(of: response))
                    responses.append(response)
                }
                for (index, name) in names.enumerated() {
                    if index >= Self.maximumConcurrent, let response = try await group.next() { try report(response) }
                    group.addTask {
                        let response: RefreshResponse = try await client.post(.refresh(name))
                        progress.step()
                        return response
                    }
                }
                for try await response in group { try report(response) }
                return responses
            }
        }
    }

    private func description(of response: RefreshResponse) throws -> String {
        options.json
            ? try APIEncoding.text(response) : "\(response.domain): \(response.outcome.rawValue), \(response.text)"
    }
}

extension RefreshResponse {
    fileprivate var status: ExitStatus {
        switch outcome {
        case .renewed, .changed: .success
        case .noRecord: .notFound
        case .recordFailed, .fetchFailed, .unfinished: .unknown
        }
    }
}
