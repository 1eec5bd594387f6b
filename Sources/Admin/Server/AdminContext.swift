import Hummingbird
import NIOCore

/// A request and the connection on which it came.
struct AdminContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    private let channel: any Channel

    init(source: Source) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// Who asks. Every changing request needs it: orders are signed.
    ///
    /// - Throws: `Refusal` where the kernel does not say.
    var peer: Peer {
        get async throws(Refusal) {
            guard let peer = await Peer.of(channel) else {
                throw Refusal(
                    .forbidden, "the kernel does not say who asks", hint: "connect over the unix socket itself")
            }
            return peer
        }
    }
}

/// A problem on its way to the one who asked.
struct Refusal: Error {
    let status: HTTPResponse.Status
    let problem: Problem

    init(_ status: HTTPResponse.Status, _ error: String, hint: String? = nil) {
        self.status = status
        problem = Problem(error, hint: hint)
    }
}
