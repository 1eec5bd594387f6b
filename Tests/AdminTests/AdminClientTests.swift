import Foundation
import NIOCore
import NIOPosix
import Testing
import TestSupport

@testable import Admin

/// What a command hears when there is no daemon, or no sane one.
@Suite(.timeLimit(.minutes(5))) struct AdminClientTests {
    private let path = NSTemporaryDirectory() + "sts-client-\(UUID().uuidString.prefix(8)).sock"

    private func failure(patience: Duration = .seconds(20)) async -> AdminClientFailure? {
        await #expect(throws: AdminClientFailure.self) {
            try await AdminClient.with(path: path, patience: patience) { client in
                try await client.get(.observe, as: Observation.self)
            }
        }
    }

    /// Answers each connection's first octets with `answer`, then closes; `nil`: says nothing.
    private func serve(_ answer: String?, _ test: () async throws -> Void) async throws {
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
                                break
                            }
                        }
                    }
                }
            }
            try await test()
            group.cancelAll()
        }
    }

    @Test func `no socket there`() async throws {
        let failure = await failure()
        #expect(failure == .unreachable(path, .noSuchFile))
        #expect(failure?.description.contains("is it running") == true)
    }

    @Test func `a path that no socket can have is told as such, and leaves a terminal as it is`() async throws {
        let long = String(repeating: "/socket", count: 16)
        for (path, words) in [(long, "has at most 107 octets"), ("/no/\u{1B}[31m", "there is no /no/\\x1B[31m;")] {
            let failure = await #expect(throws: AdminClientFailure.self) {
                try await AdminClient.with(path: path) { try await $0.get(.observe, as: Observation.self) }
            }
            #expect(failure?.description.contains(words) == true, "\(String(describing: failure))")
        }
    }

    @Test func `a socket that nobody serves any more`() async throws {
        try leaveDeadSocket(at: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(await failure() == .unreachable(path, .refused))
    }

    @Test func `a file that is no socket`() async throws {
        try "".write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(await failure() == .unreachable(path, .refused))
    }

    @Test func `a daemon that does not answer`() async throws {
        try await serve(nil) {
            #expect(await failure(patience: .milliseconds(300)) == .unreachable(path, .silent))
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"observing\":",
    ])
    func `an answer that is none`(answer: String) async throws {
        try await serve(answer) {
            guard case .broken = await failure() else {
                Issue.record("taken for an answer")
                return
            }
        }
    }

    @Test func `a list that ends early is no list`() async throws {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        let line =
            "{\"askedAt\":\"2026-01-01T00:00:00Z\",\"domain\":\"a.example\",\"failing\":false,\"state\":\"enforce\"}\n"
        for (rest, isWhole) in [("0\r\n\r\n", true), ("", false), ("5\r\n{\"dom\r\n0\r\n\r\n", false)] {
            let chunk = String(line.utf8.count, radix: 16) + "\r\n" + line + "\r\n"
            try await serve(head + chunk + rest) {
                var names: [String] = []
                var failure: (any Error)?
                do {
                    try await AdminClient.with(path: path) { client in
                        try await client.lines(Target("/v1/entries"), of: EntryLine.self) { names.append($0.domain) }
                    }
                } catch {
                    failure = error
                }
                #expect(names == ["a.example"])
                #expect((failure == nil) == isWhole, "\(rest): \(String(describing: failure))")
            }
        }
    }

    @Test(arguments: [
        ("/v1/entries", ["a b/c?d#e%"], "/v1/entries/a%20b%2Fc%3Fd%23e%25"),
        ("/v1/explain", ["[smtp.example.com]:587"], "/v1/explain/%5Bsmtp.example.com%5D%3A587"),
        ("/v1/explain", ["bücher.example"], "/v1/explain/b%C3%BCcher.example"),
    ])
    func `names in a path keep their characters`(path: String, names: [String], expected: String) {
        #expect(Target(path, names).text == expected)
        #expect(Target(path, [], query: [("a", "x&y=z"), ("b", nil)]).text == path + "?a=x%26y%3Dz")
    }

    @Test func `what is put into a path arrives as it was`() async throws {
        let lab = try AdminLab()
        var seams = lab.seams
        let original = seams.destination
        let keys = ["[smtp.example.com]:587", "bücher.example", "a b/c?d#e%", "100%25"]
        seams.destination = { key in original(keys.contains(key) ? "example.com" : "wrong") }
        try await lab.ask(seams: seams) { client in
            for key in keys {
                let explained: Explained = try await client.get(.explain(key, live: false))
                #expect(explained.domain == "example.com")
            }
        }
    }
}
