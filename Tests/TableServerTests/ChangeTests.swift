import Foundation
import Glibc
import TableServer
import NIOCore
import Testing
import TestSupport

/// A server that listens elsewhere, or serves otherwise, while connections stand.
@Suite(.timeLimit(.minutes(5))) struct ChangeTests {
    private static let notFound = "9:NOTFOUND ,"
    private static let any = ListenAddress.tcp(host: "127.0.0.1", port: 0)

    private func temporaryPath() -> String { NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8)).sock" }

    private func ask(_ path: String) async throws -> String {
        try await TableClient.with(path: path) { try await $0.ask("2:x ,", until: ",") }
    }

    @Test func `an address is added, one is given up, and connections of both stay`() async throws {
        let fixture = TableFixture()
        let (first, second) = (temporaryPath(), temporaryPath())
        try await fixture.serve(socketmap: [.unix(path: first)]) { server, _ in
            try await TableClient.with(path: first) { open in
                let before = try await open.ask("2:x ,", until: ",")
                #expect(before == Self.notFound)
                try await server.change(
                    socketmap: [.unix(path: second)], tcpTable: [], settings: LookupSettings())
                let answer = try await ask(second)
                #expect(answer == Self.notFound)
                #expect(!FileManager.default.fileExists(atPath: first))
                let after = try await open.ask("2:x ,", until: ",")
                #expect(after == Self.notFound)
            }
        }
        #expect(!FileManager.default.fileExists(atPath: second))
        let lines = fixture.log.entries.filter { $0.message.hasSuffix("listening") }
        #expect(lines.map(\.message) == ["listening", "listening", "no longer listening"])
        #expect(lines.map { $0.facts["address"] } == ["unix:\(first)", "unix:\(second)", "unix:\(first)"])
    }

    @Test func `a pending lookup is answered though its address is given up`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        let (first, second) = (temporaryPath(), temporaryPath())
        try await fixture.serve(socketmap: [.unix(path: first)]) { server, _ in
            try await TableClient.with(path: first) { pending in
                try await pending.outbound.write(ByteBuffer(string: "19:postfix example.com,"))
                await gate.arrivals()
                try await server.change(
                    socketmap: [.unix(path: second)], tcpTable: [], settings: LookupSettings())
                gate.open()
                let reply = try await pending.receive(until: ",")
                #expect(reply == "50:OK secure match=mx.example.com servername=hostname,")
            }
        }
    }

    @Test func `if one new address cannot be opened nothing changes, and the other one is closed again`()
        async throws
    {
        let fixture = TableFixture()
        let (first, second) = (temporaryPath(), temporaryPath())
        let file = temporaryPath()
        try "precious".write(toFile: file, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await fixture.serve(socketmap: [.unix(path: first)]) { server, _ in
            let failure = await #expect(throws: ListenError.self) {
                try await server.change(
                    socketmap: [.unix(path: second), .unix(path: file)], tcpTable: [],
                    settings: LookupSettings(dialect: .legacy))
            }
            #expect(failure?.description.contains("the file \(file) is not a socket;") == true)
            #expect(!FileManager.default.fileExists(atPath: second))
            let answer = try await ask(first)
            #expect(answer == Self.notFound)
        }
        #expect(fixture.log.messages.count { $0 == "listening" } == 1)
    }

    @Test func `an address takes the place of one that includes the same port or path`() async throws {
        let fixture = TableFixture()
        try await fixture.serve(socketmap: [Self.any]) { server, ports in
            try await server.change(
                socketmap: [.tcp(host: "0.0.0.0", port: ports[0])], tcpTable: [], settings: LookupSettings())
            let answer = try await TableClient.with(port: ports[0]) { try await $0.ask("2:x ,", until: ",") }
            #expect(answer == Self.notFound)
        }
        let path = temporaryPath()
        try await TableFixture().serve(socketmap: [.unix(path: path)]) { server, _ in
            try await server.change(socketmap: [], tcpTable: [.unix(path: path)], settings: LookupSettings())
            let answer = try await TableClient.with(path: path) { try await $0.ask("get x\n", until: "\n") }
            #expect(answer.hasPrefix("500 "))
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `a unix socket that stays gets the new mode`() async throws {
        let fixture = TableFixture()
        let path = temporaryPath()
        try await fixture.serve(socketmap: [.unix(path: path)], settings: settings(mode: 0o600)) { server, _ in
            #expect(try mode(of: path) == 0o600)
            try await server.change(socketmap: [.unix(path: path)], tcpTable: [], settings: settings(mode: 0o666))
            #expect(try mode(of: path) == 0o666)
        }
    }

    private func settings(mode: UInt32) -> LookupSettings { LookupSettings(socketMode: mode, socketGroup: nil) }

    private func mode(of path: String) throws -> Int? {
        (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
    }

    @Test func `other settings are in force while a unix socket is lost and cannot be made anew`() async throws {
        let fixture = TableFixture()
        let directory = NSTemporaryDirectory() + "sts-lost-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        let (lost, other) = (directory + "/socket", temporaryPath())
        fixture.publish("example.com")
        try await fixture.serve(socketmap: [.unix(path: lost), .unix(path: other)]) { server, _ in
            try FileManager.default.removeItem(atPath: directory)
            try await server.change(
                socketmap: [.unix(path: lost), .unix(path: other)], tcpTable: [],
                settings: LookupSettings(dialect: .legacy))
            try await TableClient.with(path: other) {
                let reply = try await $0.ask("13:x example.com,", until: ",")
                #expect(reply == "30:OK secure match=mx.example.com,")
            }
        }
    }

    @Test func `a lower limit of connections closes none, and counts for the next`() async throws {
        let fixture = TableFixture()
        let path = temporaryPath()
        try await fixture.serve(socketmap: [.unix(path: path)]) { server, _ in
            try await TableClient.with(path: path) { first in
                _ = try await first.ask("2:x ,", until: ",")
                try await TableClient.with(path: path) { second in
                    _ = try await second.ask("2:x ,", until: ",")
                    try await server.change(
                        socketmap: [.unix(path: path)], tcpTable: [], settings: LookupSettings(maximumConnections: 1))
                    let still = try await first.ask("2:x ,", until: ",")
                    #expect(still == Self.notFound)
                    // It takes the place of the one that was idle longest, which is the second.
                    let answer = try await ask(path)
                    #expect(answer == Self.notFound)
                    let end = try await second.receive(until: ",")
                    #expect(end == "")
                }
            }
        }
    }

    @Test func `before it serves and after its end nothing changes`() async throws {
        let fixture = TableFixture()
        let path = temporaryPath()
        let server = LookupServer(
            socketmap: [], tcpTable: [], service: fixture.service, logger: fixture.log.logger())
        await #expect(throws: ListenError.self) {
            try await server.change(socketmap: [.unix(path: path)], tcpTable: [], settings: LookupSettings())
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
