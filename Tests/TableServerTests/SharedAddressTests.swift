import Foundation
import Glibc
import NIOCore
import TableServer
import TestSupport
import Testing

/// Two servers of one user at one address.
@Suite(.timeLimit(.minutes(5))) struct SharedAddressTests {
    private static let notFound = "9:NOTFOUND ,"
    private static let reopened = "unix socket file was removed or replaced, opened a new one"

    private func temporaryPath() -> String { NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8)).sock" }

    private func ask(_ path: String) async throws -> String {
        try await TableClient.with(path: path) { try await $0.ask("2:x ,", until: ",") }
    }

    /// The files whose names begin with the path.
    private func files(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: NSTemporaryDirectory())
            .map { NSTemporaryDirectory() + $0 }.filter { $0.hasPrefix(path) }.sorted()
    }

    @Test func `a unix socket belongs to the server that was started last, and then to the earlier one again`()
        async throws
    {
        let (first, second) = (TableFixture(), TableFixture())
        first.publish("first.example")
        second.publish("second.example")
        let path = temporaryPath()
        let (clock, lookups) = (ManualTime(), ["first.example", "second.example"])
        @Sendable func secure() async throws -> [Bool] {
            var results: [Bool] = []
            for name in lookups {
                let request = "postfix \(name)"
                let reply = try await TableClient.with(path: path) {
                    try await $0.ask("\(request.utf8.count):\(request),", until: ",")
                }
                results.append(reply.contains("OK secure"))
            }
            return results
        }
        try await first.serve(socketmap: [.unix(path: path)], sleep: { try await clock.sleep($0) }) { _, _ in
            #expect(try await secure() == [true, false])
            try await second.serve(socketmap: [.unix(path: path)]) { (_) async throws in
                #expect(try await secure() == [false, true])
                #expect(try files(path).count == 2)
                // The first one leaves the path alone.
                await clock.pass(.seconds(5), onceAsleepFor: .seconds(5))
                #expect(try await secure() == [false, true])
            }
            #expect(try await secure() == [true, false])
            #expect(try files(path) == [path])
        }
        #expect(try files(path) == [])
        #expect(!first.log.messages.contains(Self.reopened))
    }

    @Test func `the end of the earlier server leaves the path to the later one, and no file`() async throws {
        let path = temporaryPath()
        let (later, clock) = (TableFixture(), ManualTime())
        let (earlierStarted, onStart) = AsyncStream<Void>.makeStream()
        let (earlierEnded, onEnd) = AsyncStream<Void>.makeStream()
        @Sendable func serveLater() async throws {
            for await _ in earlierStarted {}
            try await later.serve(socketmap: [.unix(path: path)], sleep: { try await clock.sleep($0) }) { _, _ in
                for await _ in earlierEnded {}
                let reply = try await ask(path)
                #expect(reply == Self.notFound)
                await clock.pass(.seconds(5), onceAsleepFor: .seconds(5))
                await clock.pass(.zero, onceAsleepFor: .seconds(5))
                #expect(try files(path) == [path])
            }
        }
        async let second: Void = serveLater()
        try await TableFixture().serve(socketmap: [.unix(path: path)]) { _ in
            onStart.finish()
            // Until the later one has the path.
            await later.log.appearance(of: "listening")
            let reply = try await ask(path)
            #expect(reply == Self.notFound)
        }
        onEnd.finish()
        try await second
        #expect(try files(path) == [])
    }

    @Test func `a removed path is bound again though an earlier socket has a second name`() async throws {
        let path = temporaryPath()
        let (fixture, clock) = (TableFixture(), ManualTime())
        try await TableFixture().serve(socketmap: [.unix(path: path)]) { _ in
            try await fixture.serve(socketmap: [.unix(path: path)], sleep: { try await clock.sleep($0) }) { _, _ in
                unlink(path)
                await clock.pass(.seconds(5), onceAsleepFor: .seconds(5))
                await fixture.log.appearance(of: Self.reopened)
                let reply = try await ask(path)
                #expect(reply == Self.notFound)
            }
        }
    }

    @Test func `a TCP port is shared, and after the end of one server the other one answers all`() async throws {
        let first = TableFixture()
        try await first.serve { ports in
            let address = ListenAddress.tcp(host: "127.0.0.1", port: ports[0])
            try await TableFixture().serve(socketmap: [address], tcpTable: []) { _ in
                for _ in 0..<20 {
                    let reply = try await TableClient.with(port: ports[0]) { try await $0.ask("2:x ,", until: ",") }
                    #expect(reply == Self.notFound)
                }
            }
            for _ in 0..<20 {
                let reply = try await TableClient.with(port: ports[0]) { try await $0.ask("2:x ,", until: ",") }
                #expect(reply == Self.notFound)
            }
        }
    }

    /// With SO_REUSEPORT the kernel would spread connections between the two tables.
    @Test func `two addresses of one server that name one port are an error`() async throws {
        let first = TableFixture()
        try await first.serve(socketmap: [.tcp(host: "127.0.0.1", port: 0)]) { server, ports in
            let numbered = ListenAddress.tcp(host: "127.0.0.1", port: ports[0])
            let error = await #expect(throws: ListenError.self) {
                try await server.change(
                    socketmap: [.tcp(host: "127.0.0.1", port: 0)], tcpTable: [numbered], settings: LookupSettings())
            }
            #expect(
                error?.description
                    == "cannot listen on 127.0.0.1:\(ports[0]): it is the same socket as 127.0.0.1:0 of this configuration; "
                    + "remove one of them")
        }
    }
}
