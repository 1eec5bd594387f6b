import Discovery
import Synchronization

/// The fetcher's fake: answers what a test has written, and counts what was asked.
package final class ScriptedFetcher: PolicyFetcher {
    package typealias Reply = Result<String, FetchError>

    private struct State {
        var replies: [String: Reply] = [:]
        var mediaTypes: [String: String?] = [:]
        var requests: [PolicyRequest] = []
        var gates: [String: Gate] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// - Parameter reply: the body of a response of status 200, or a failure.
    package func script(_ host: String, reply: Reply, mediaType: String? = "text/plain") {
        state.withLock { state in
            state.replies[host] = reply
            state.mediaTypes[host] = mediaType
        }
    }

    package func hold(_ host: String) -> Gate {
        let gate = Gate()
        state.withLock { $0.gates[host] = gate }
        return gate
    }

    package var requests: [PolicyRequest] { state.withLock(\.requests) }

    package func fetch(_ request: PolicyRequest) async throws(FetchError) -> PolicyResponse {
        let gate = state.withLock { state in
            state.requests.append(request)
            return state.gates[request.host]
        }
        await gate?.pass()
        let (reply, mediaType) = state.withLock { state in
            (state.replies[request.host] ?? .failure(.http(.status(404))), state.mediaTypes[request.host] ?? nil)
        }
        return PolicyResponse(
            body: Array(try reply.get().utf8), contentTypes: mediaType.map { [$0] } ?? [],
            address: request.addresses[0], httpVersion: "HTTP/2", tls: TLSSummary(issuer: nil, notAfter: nil))
    }
}
