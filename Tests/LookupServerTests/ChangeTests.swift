import Foundation
import Glibc
import LookupServer
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
        let lab = HandlerLab()
        let (first, second) = (temporaryPath(), temporaryPath())
        try await lab.serve(socketmap: [.unix(path: first)]) { server, _ in
            try await TableClient.with(path: first) { standing in
                let before = try await standing.ask("2:x ,", until: ",")
                #expect(before == Self.notFound)
                try await server.change(
                    socketmap: [.unix(path: second)], tcpTable: [], settings: LookupSettings())
                let answer = try await ask(second)
                #expect(answer == Self.notFound)
                #expect(!FileManager.default.fileExists(atPath: first))
                let after = try await standing.ask("2:x ,", until: ",")
                #expect(after == Self.notFound)
            }
        }
        #expect(!FileManager.default.fileExists(atPath: second))
        let lines = lab.log.entries.filter { $0.message.hasSuffix("listening") }
        #expect(lines.map(\.message) == ["listening", "listening", "no longer listening"])
        #expect(lines.map { $0.facts["address"] } == ["unix:\(first)", "unix:\(second)", "unix:\(first)"])
    }

    @Test func `a pending lookup is answered though its address is given up`() async throws {
        let lab = HandlerLab()
        lab.publish("example.com")
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        let (first, second) = (temporaryPath(), temporaryPath())
        try await lab.serve(socketmap: [.unix(path: first)]) { server, _ in
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

    @Test func `where one new address cannot be had nothing changes, and the one that could is closed again`()
        async throws
    {
        let lab = HandlerLab()
        let (first, second) = (temporaryPath(), temporaryPath())
        let file = temporaryPath()
        try "precious".write(toFile: file, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await lab.serve(socketmap: [.unix(path: first)]) { server, _ in
            let failure = await #expect(throws: ListenFailure.self) {
                try await server.change(
                    socketmap: [.unix(path: second), .unix(path: file)], tcpTable: [],
                    settings: LookupSettings(dialect: .legacy))
            }
            #expect(failure?.description.contains("a file that is no socket is in the way") == true)
            #expect(!FileManager.default.fileExists(atPath: second))
            let answer = try await ask(first)
            #expect(answer == Self.notFound)
        }
        #expect(lab.log.messages.count { $0 == "listening" } == 1)
    }

    @Test func `an address that its predecessor is in the way of is refused and says so`() async throws {
        let lab = HandlerLab()
        try await lab.serve(socketmap: [Self.any]) { server, ports in
            let failure = await #expect(throws: ListenFailure.self) {
                try await server.change(
                    socketmap: [.tcp(host: "0.0.0.0", port: ports[0])], tcpTable: [], settings: LookupSettings())
            }
            // The old address has port 0 in its configuration, so that it is not known to be the one in the way.
            #expect(failure?.description.hasPrefix("cannot listen on 0.0.0.0:\(ports[0]): ") == true)
        }
        let path = temporaryPath()
        try await HandlerLab().serve(socketmap: [.unix(path: path)]) { server, _ in
            let failure = await #expect(throws: ListenFailure.self) {
                try await server.change(
                    socketmap: [], tcpTable: [.unix(path: path)], settings: LookupSettings())
            }
            #expect(failure?.description.contains("unix:\(path) of this process is in the way") == true)
            let answer = try await ask(path)
            #expect(answer == Self.notFound)
        }
    }

    @Test func `a unix socket that stays gets the new mode`() async throws {
        let lab = HandlerLab()
        let path = temporaryPath()
        try await lab.serve(socketmap: [.unix(path: path)], settings: settings(mode: 0o600)) { server, _ in
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
        let lab = HandlerLab()
        let directory = NSTemporaryDirectory() + "sts-lost-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        let (lost, other) = (directory + "/socket", temporaryPath())
        lab.publish("example.com")
        try await lab.serve(socketmap: [.unix(path: lost), .unix(path: other)]) { server, _ in
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
        let lab = HandlerLab()
        let path = temporaryPath()
        try await lab.serve(socketmap: [.unix(path: path)]) { server, _ in
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
        let lab = HandlerLab()
        let path = temporaryPath()
        let server = LookupServer(
            socketmap: [], tcpTable: [], service: lab.service, logger: lab.log.logger())
        await #expect(throws: ListenFailure.self) {
            try await server.change(socketmap: [.unix(path: path)], tcpTable: [], settings: LookupSettings())
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
