import CCurl
import Foundation
import LibCurl
import LocalSystem
import Synchronization

/// One request over the daemon's unix socket, and its response piece by piece.
///
/// Protocol: HTTP/1.1 on a connection of its own. No proxy, no redirect, no cookie, no `.netrc`, no environment variable.
/// Concurrency: its methods block a dispatch queue of its own; libcurl works only while one of them runs, so a response
/// without a reader stays in the socket.
/// Limits: `timeout` until the response's head is complete; of the body, the octets that one call of libcurl reads (at most
/// ten buffers of 16 KiB) are in memory.
/// Errors: `AdminClientError`, and `CancellationError` after `cancel()`.
actor AdminTransfer {
    struct Request: Sendable {
        /// Of the socket, absolute, at most `UnixAddress.maximumLength` octets.
        let path: String
        let method: String
        let endpoint: AdminEndpoint
        /// JSON.
        var body: Data?
        /// How long the response may take to begin.
        let timeout: Duration
    }

    private let executor = DispatchQueueExecutor(label: "sts-bridge.admin")
    private let wakeup: CurlWakeup
    private let request: Request
    private var state: CurlTransferState

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ request: Request) throws(AdminClientError) {
        self.request = request
        guard request.path.utf8.count <= UnixAddress.maximumLength else {
            throw .unreachable(request.path, .other("a socket's path has at most \(UnixAddress.maximumLength) octets"))
        }
        guard CurlLibrary.initialisation == CURLE_OK, let wakeup = CurlWakeup(), let easy = CurlEasy() else {
            throw .unreachable(request.path, .other("out of memory"))
        }
        self.wakeup = wakeup
        state = try CurlTransferState(request, easy: easy, multi: wakeup)
    }

    /// Ends a method that blocks, and every later one, with `CancellationError`.
    nonisolated func cancel() { wakeup.cancel() }

    /// Sends the request and waits for the head of the response.
    ///
    /// - Returns: the HTTP status.
    func status() throws -> Int {
        let deadline = ContinuousClock.now + request.timeout
        while !state.hasHead {
            if let result = try state.step(until: deadline) {
                guard state.hasHead else { throw AdminClientError(result, state: state, path: request.path) }
                break
            }
            if !state.hasHead, ContinuousClock.now >= deadline {
                throw AdminClientError.unreachable(request.path, .silent)
            }
        }
        return state.status
    }

    /// The next piece of the body; `nil` at its end. It has no time limit: a list may take long.
    func nextPiece() throws -> Data? {
        while true {
            if let piece = state.takeBody() { return piece }
            if let result = state.result {
                guard result == CURLE_OK else {
                    throw AdminClientError.broken("the answer ended early: \(CurlErrorMessage.libraryError(result))")
                }
                return nil
            }
            _ = try state.step(until: nil)
        }
    }
}

/// Runs an actor's jobs on a dispatch queue of its own, so that they may block.
private final class DispatchQueueExecutor: SerialExecutor {
    private let queue: DispatchQueue

    init(label: String) {
        queue = DispatchQueue(label: label)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { [self] in job.runSynchronously(on: asUnownedSerialExecutor()) }
    }
}
