import AdminAPI
import Hummingbird
import NIOCore

/// A request and its connection.
struct AdminRequestContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    private let channel: any Channel

    init(source: Source) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// The user and process at the other end. Every override has its author, so every change needs it.
    ///
    /// - Throws: `AdminRequestError` if the kernel does not report it.
    var peer: Peer {
        get async throws(AdminRequestError) {
            guard let peer = await Peer.of(channel) else {
                throw AdminRequestError(
                    .forbidden, error: "the kernel does not report the user of this connection",
                    hint: "connect to the unix socket itself")
            }
            return peer
        }
    }
}

/// Why the daemon refuses a request: the status and the body of the response.
struct AdminRequestError: Error {
    let status: HTTPResponse.Status
    let problem: ProblemDetails

    init(_ status: HTTPResponse.Status, error: String, hint: String? = nil) {
        self.status = status
        problem = ProblemDetails(error, hint: hint)
    }
}
