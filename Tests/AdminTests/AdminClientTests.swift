import Foundation
import NIOCore
import NIOPosix
import Testing
import TestSupport

@testable import AdminAPI
@testable import AdminServer

/// The errors of the client without a daemon, or with a broken one.
@Suite(.timeLimit(.minutes(5))) struct AdminClientTests {
    private let path = NSTemporaryDirectory() + "sts-client-\(UUID().uuidString.prefix(8)).sock"

    private func failure(timeout: Duration = .seconds(20)) async -> AdminClientError? {
        await #expect(throws: AdminClientError.self) {
            try await AdminClient(path: path, timeout: timeout).get(.observe, as: ObserveModeResponse.self)
        }
    }

    /// Answers the first octets of each connection with `answer`, then closes it; `nil`: never answers.
    private func serve(_ answer: String?, closes: Bool = true, _ test: () async throws -> Void) async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(unixDomainSocketPath: path) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.executeThenClose { connections in
                    for try await connection in connections {
                        try? await connection.executeThenClose { inbound, outbound in
                            for try await _ in inbound {
                                guard let answer else { continue }
                                try await outbound.write(ByteBuffer(string: answer))
                                // Closing would discard what the client has not read yet.
                                if closes { break }
                            }
                        }
                    }
                }
            }
            try await test()
            group.cancelAll()
        }
    }

    @Test func `there is no socket`() async throws {
        let failure = await failure()
        #expect(failure == .unreachable(path, .noSuchFile))
        #expect(failure?.description.contains("is the daemon running") == true)
    }

    @Test func `the error for a path that no socket can have names the limit, and has no escape sequence`() async throws
    {
        let long = String(repeating: "/socket", count: 16)
        for (path, text) in [(long, "has at most 107 octets"), ("/no/\u{1B}[31m", "/no/\\x1B[31m does not exist;")] {
            let failure = await #expect(throws: AdminClientError.self) {
                try await AdminClient(path: path).get(.observe, as: ObserveModeResponse.self)
            }
            #expect(failure?.description.contains(text) == true, "\(String(describing: failure))")
        }
    }

    @Test func `a socket without a process behind it`() async throws {
        try leaveDeadSocket(at: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(await failure() == .unreachable(path, .notServed))
    }

    @Test func `a file that is not a socket`() async throws {
        try "".write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(await failure() == .unreachable(path, .notServed))
    }

    @Test func `a daemon that does not answer`() async throws {
        try await serve(nil) {
            #expect(await failure(timeout: .milliseconds(300)) == .unreachable(path, .silent))
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"observing\":",
    ])
    func `an answer that is not one of this API`(answer: String) async throws {
        try await serve(answer) {
            guard case .broken = await failure() else {
                Issue.record("accepted as an answer")
                return
            }
        }
    }

    @Test func `a list that ends early is an error`() async throws {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        let line =
            "{\"domain\":\"a.example\",\"failing\":false,\"lastLookupAt\":\"2026-01-01T00:00:00Z\",\"state\":\"enforce\"}\n"
        for (rest, isWhole) in [("0\r\n\r\n", true), ("", false), ("5\r\n{\"dom\r\n0\r\n\r\n", false)] {
            let chunk = String(line.utf8.count, radix: 16) + "\r\n" + line + "\r\n"
            try await serve(head + chunk + rest) {
                var names: [String] = []
                var failure: (any Error)?
                do {
                    try await AdminClient(path: path).lines(.entries(), of: EntrySummary.self) {
                        names.append($0.domain)
                    }
                } catch {
                    failure = error
                }
                #expect(names == ["a.example"])
                #expect((failure == nil) == isWhole, "\(rest): \(String(describing: failure))")
            }
        }
    }

    @Test func `a connection that is closed without an answer, and octets that are not HTTP`() async throws {
        for (answer, reason) in [
            ("", "it closed the connection without an answer"), ("hi\r\n\r\n", "the answer is not HTTP"),
        ] {
            try await serve(answer) { #expect(await failure() == .unreachable(path, .other(reason))) }
        }
    }

    @Test func `an interim response is not the answer`() async throws {
        let body = "{\"configured\":false,\"observing\":true}"
        let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        try await serve(head + body) {
            let response: ObserveModeResponse = try await AdminClient(path: path).get(.observe)
            #expect(response.observing)
        }
    }

    @Test(arguments: [true, false])
    func `an answer or a line of more than 4 MiB is an error, not memory`(isList: Bool) async throws {
        let body = "\"" + String(repeating: "x", count: 5 * 1_048_576)
        try await serve("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body, closes: false) {
            let failure = await #expect(throws: AdminClientError.self) {
                let client = AdminClient(path: path)
                guard isList else { return _ = try await client.get(.observe, as: ObserveModeResponse.self) }
                try await client.lines(.entries(), of: EntrySummary.self) { _ in }
            }
            #expect(failure == .broken("the answer is longer than 4194304 octets"))
        }
    }

    @Test func `a cancelled request ends at once`() async throws {
        try await serve(nil) {
            let request = Task { [path] in
                try await AdminClient(path: path).get(.observe, as: ObserveModeResponse.self)
            }
            request.cancel()
            await #expect(throws: CancellationError.self) { try await request.value }
        }
    }

    @Test func `a word of another version is an error`() async throws {
        let body =
            "{\"domain\":\"a.example\",\"failing\":false,\"lastLookupAt\":\"2026-01-01T00:00:00Z\",\"state\":\"new\"}\n"
        try await serve("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body) {
            let failure = await #expect(throws: AdminClientError.self) {
                try await AdminClient(path: path).lines(.entries(), of: EntrySummary.self) { _ in }
            }
            #expect(failure?.description.contains("another version") == true)
        }
    }

    @Test(arguments: [
        ("/v1/entries", ["a b/c?d#e%"], "/v1/entries/a%20b%2Fc%3Fd%23e%25"),
        ("/v1/explain", ["[smtp.example.com]:587"], "/v1/explain/%5Bsmtp.example.com%5D%3A587"),
        ("/v1/explain", ["bücher.example"], "/v1/explain/b%C3%BCcher.example"),
    ])
    func `names in a path are percent-encoded`(path: String, names: [String], expected: String) {
        #expect(AdminEndpoint(path, names: names).text == expected)
        #expect(AdminEndpoint(path, query: [("a", "x&y=z"), ("b", nil)]).text == path + "?a=x%26y%3Dz")
    }

    @Test func `a key in a path arrives unchanged`() async throws {
        let fixture = try AdminFixture()
        var dependencies = fixture.dependencies
        let original = dependencies.destination
        let keys = ["[smtp.example.com]:587", "bücher.example", "a b/c?d#e%", "100%25"]
        dependencies.destination = { key in original(keys.contains(key) ? "example.com" : "wrong") }
        try await fixture.withClient(dependencies: dependencies) { client in
            for key in keys {
                let explained: ExplainResponse = try await client.get(.explain(key, live: false))
                #expect(explained.domain == "example.com")
            }
        }
    }
}
