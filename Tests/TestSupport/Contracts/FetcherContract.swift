import Discovery

/// What every fetcher does, the real one and its fake. Each is set up with two hosts at `address`, by its own means:
///
///     identity.site.test    200, text/plain, "plain"
///     status-404.site.test  404
package struct FetcherContract: Sendable {
    private let fetcher: any PolicyFetcher
    private let address: IPAddress

    package init(_ fetcher: any PolicyFetcher, at address: IPAddress) {
        self.fetcher = fetcher
        self.address = address
    }

    /// What does not hold, in words.
    package func violations() async -> [String] {
        var violations: [String] = []
        func demand(_ holds: Bool, description what: String) {
            if !holds { violations.append(what) }
        }
        switch await fetch("identity.site.test") {
        case .failure(let failure): violations.append("a status of 200 is a response, not \(failure)")
        case .success(let response):
            demand(response.body == Array("plain".utf8), description: "the body comes whole")
            demand(response.contentTypes == ["text/plain"], description: "with its media type")
            demand(response.address == address, description: "and the address that answered")
        }
        let missing = await fetch("status-404.site.test")
        demand(missing == .failure(.http(.status(404))), description: "any other status is a failure with its number")
        return violations
    }

    private func fetch(_ host: String) async -> Result<PolicyResponse, FetchError> {
        let url = "https://\(host)/.well-known/mta-sts.txt"
        do throws(FetchError) {
            let request = PolicyRequest(host: host, url: url, addresses: [address], domain: host)
            return .success(try await fetcher.fetch(request))
        } catch {
            return .failure(error)
        }
    }
}
