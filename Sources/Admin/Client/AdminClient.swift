import AsyncHTTPClient
import Foundation
import MTASTS
import NIOCore
import NIOPosix

/// The commands' side of the API: HTTP over the daemon's unix socket.
///
/// Concurrency: any task, at once; one connection for each request under way.
/// Memory: an answer is at most `longestAnswer`; lists are handed over line by line.
/// Throws: `AdminClientFailure`, and `CancellationError` where a task was cancelled.
package struct AdminClient: Sendable {
    package let path: String
    private let http: HTTPClient
    /// How long an answer may take to begin.
    private let patience: Duration

    /// For an answer that the daemon has at hand: a script is not to hang on a daemon that hangs.
    package static let patience = Duration.seconds(30)
    /// For one that it asks the world for: longer than any discovery.
    package static let patienceWithWorld = Duration.seconds(420)

    /// Octets: the longest explanation, of a policy of 64 KiB and many hosts, with room.
    private static let longestAnswer = 4 * 1_048_576

    /// Lets `use` ask, and closes the connections.
    ///
    /// - Parameters:
    ///   - path: of the socket, absolute.
    ///   - patience: how long an answer may take to begin.
    package static func with<Result: Sendable>(
        path: String, patience: Duration = Self.patience, _ use: (AdminClient) async throws -> Result
    ) async throws -> Result {
        var configuration = HTTPClient.Configuration()
        // The socket is there or not: trying again for ten seconds would tell nobody anything.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.redirectConfiguration = .disallow
        let http = HTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
        do {
            let result = try await use(AdminClient(path: path, http: http, patience: patience))
            try await http.shutdown()
            return result
        } catch {
            try? await http.shutdown()
            throw error
        }
    }

    // MARK: Requests

    package func get<Value: WireValue>(_ target: Target, as type: Value.Type = Value.self) async throws -> Value {
        try await ask("GET", target)
    }

    package func post<Value: WireValue>(_ target: Target, as type: Value.Type = Value.self) async throws -> Value {
        try await ask("POST", target)
    }

    package func delete<Value: WireValue>(_ target: Target, as type: Value.Type = Value.self) async throws -> Value {
        try await ask("DELETE", target)
    }

    package func put<Value: WireValue>(
        _ target: Target, _ body: some WireValue, as type: Value.Type = Value.self
    ) async throws -> Value {
        try await ask("PUT", target, try AdminJSON.octets(body))
    }

    /// The lines of a streamed list, one at a time.
    package func lines<Value: WireValue>(
        _ target: Target, of type: Value.Type = Value.self, _ take: (Value) throws -> Void
    ) async throws {
        let response = try await send("GET", target, nil)
        var pieces = response.body.makeAsyncIterator()
        var lines = LineCutter()
        while let piece = try await Self.next(&pieces) {
            for line in lines.cut(piece) { try take(try Self.value(of: type, in: line)) }
        }
        guard lines.isEmpty else { throw AdminClientFailure.broken("the list ended inside a line") }
    }

    private static func next(_ pieces: inout HTTPClientResponse.Body.AsyncIterator) async throws -> ByteBuffer? {
        do {
            return try await pieces.next()
        } catch {
            throw AdminClientFailure.broken("the list ended early: \(RemoteText.printable("\(error)", limit: 200))")
        }
    }

    private func ask<Value: WireValue>(_ method: String, _ target: Target, _ body: ByteBuffer? = nil) async throws
        -> Value
    {
        let response = try await send(method, target, body)
        return try Self.value(of: Value.self, in: try await Self.body(of: response))
    }

    /// - Returns: a response of status 200.
    private func send(_ method: String, _ target: Target, _ body: ByteBuffer?) async throws -> HTTPClientResponse {
        guard let url = URL(httpURLWithSocketPath: path, uri: target.text) else {
            throw AdminClientFailure.unreachable(path, .other("no such address"))
        }
        var request = HTTPClientRequest(url: url.absoluteString)
        request.method = .init(rawValue: method)
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(body)
        }
        let response: HTTPClientResponse
        do {
            response = try await http.execute(request, deadline: .now() + TimeAmount(patience))
        } catch {
            throw AdminClientFailure(error, path: path)
        }
        guard response.status == .ok else { throw try await Self.refusal(response) }
        return response
    }

    private static func refusal(_ response: HTTPClientResponse) async throws -> AdminClientFailure {
        let body = try await body(of: response)
        let status = Int(response.status.code)
        guard let problem = try? JSONDecoder().decode(Problem.self, from: Data(body.readableBytesView)) else {
            return .broken("the daemon answered \(status) without a reason")
        }
        return .refused(status: status, problem)
    }

    private static func body(of response: HTTPClientResponse) async throws -> ByteBuffer {
        do {
            return try await response.body.collect(upTo: longestAnswer)
        } catch {
            throw AdminClientFailure.broken("the answer ended early: \(RemoteText.printable("\(error)", limit: 200))")
        }
    }

    private static func value<Value: WireValue>(
        of type: Value.Type, in buffer: ByteBuffer
    ) throws(AdminClientFailure) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(buffer.readableBytesView))
        } catch {
            throw .broken("the daemon's answer is not of the form that this sts-bridge knows: another version?")
        }
    }
}
