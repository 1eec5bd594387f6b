import Foundation

/// The commands' side of the API: HTTP over the daemon's unix socket.
///
/// Concurrency: any task, several at once. Each request has a connection and a dispatch queue of its own.
/// Limits: an answer has at most `maximumAnswer` octets; lists are handed over line by line.
/// Errors: `AdminClientError`, and `CancellationError` if the task was cancelled.
package struct AdminClient: Sendable {
    package let path: String
    private let timeout: Duration

    /// For a request that the daemon answers from memory: a script must not hang on a daemon that hangs.
    package static let timeout = Duration.seconds(30)
    /// For a request that needs DNS and HTTPS: longer than any discovery.
    package static let discoveryTimeout = Duration.seconds(420)

    /// Octets: the longest explanation, of a policy of 64 KiB and many hosts, with a margin. A list's line has it too.
    private static let maximumAnswer = 4 * 1_048_576

    /// - Parameters:
    ///   - path: of the socket, absolute.
    ///   - timeout: how long an answer may take to begin.
    package init(path: String, timeout: Duration = Self.timeout) {
        self.path = path
        self.timeout = timeout
    }

    // MARK: Requests

    package func get<Value: APIModel>(_ endpoint: AdminEndpoint, as type: Value.Type = Value.self) async throws -> Value
    {
        try await send("GET", to: endpoint)
    }

    package func post<Value: APIModel>(
        _ endpoint: AdminEndpoint, as type: Value.Type = Value.self
    ) async throws -> Value {
        try await send("POST", to: endpoint)
    }

    package func delete<Value: APIModel>(
        _ endpoint: AdminEndpoint, as type: Value.Type = Value.self
    ) async throws -> Value {
        try await send("DELETE", to: endpoint)
    }

    package func put<Value: APIModel>(
        _ endpoint: AdminEndpoint, body: some APIModel, as type: Value.Type = Value.self
    ) async throws -> Value {
        try await send("PUT", to: endpoint, body: try APIEncoding.json(body))
    }

    /// Hands the lines of a streamed list to `receive`, one at a time.
    package func lines<Value: APIModel>(
        _ endpoint: AdminEndpoint, of type: Value.Type = Value.self, receive: (Value) throws -> Void
    ) async throws {
        try await withTransfer("GET", to: endpoint, body: nil) { transfer in
            var lines = LineDecoder()
            while let piece = try await transfer.nextPiece() {
                for line in lines.append(piece) { try receive(try Self.value(of: type, in: line)) }
                guard lines.pendingCount <= Self.maximumAnswer else { throw Self.tooLong }
            }
            guard lines.pendingCount == 0 else { throw AdminClientError.broken("the list ended inside a line") }
        }
    }

    private func send<Value: APIModel>(
        _ method: String, to endpoint: AdminEndpoint, body: Data? = nil
    ) async throws -> Value {
        let answer = try await withTransfer(method, to: endpoint, body: body) { try await Self.body(of: $0) }
        return try Self.value(of: Value.self, in: answer)
    }

    /// Calls `read` once the daemon has answered with status 200.
    private func withTransfer<Result>(
        _ method: String, to endpoint: AdminEndpoint, body: Data?, read: (AdminTransfer) async throws -> Result
    ) async throws -> Result {
        let transfer = try AdminTransfer(
            AdminTransfer.Request(path: path, method: method, endpoint: endpoint, body: body, timeout: timeout))
        return try await withTaskCancellationHandler {
            let status = try await transfer.status()
            guard status == 200 else { throw try await Self.error(status: status, transfer: transfer) }
            return try await read(transfer)
        } onCancel: {
            transfer.cancel()
        }
    }

    private static func error(status: Int, transfer: AdminTransfer) async throws -> AdminClientError {
        guard let problem = try? JSONDecoder().decode(ProblemDetails.self, from: try await body(of: transfer)) else {
            return .broken("the daemon answered \(status) without a reason")
        }
        return .refused(status: status, problem)
    }

    private static func body(of transfer: AdminTransfer) async throws -> Data {
        var body = Data()
        while let piece = try await transfer.nextPiece() {
            guard body.count + piece.count <= maximumAnswer else { throw tooLong }
            body += piece
        }
        return body
    }

    private static let tooLong = AdminClientError.broken("the answer is longer than \(maximumAnswer) octets")

    private static func value<Value: APIModel>(of type: Value.Type, in json: Data) throws(AdminClientError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: json)
        } catch {
            throw .broken("the daemon's answer does not match this sts-bridge: is it of another version?")
        }
    }
}
