import Foundation
import Glibc
import TableServer
import TestSupport
import Testing

/// The files of unix sockets: their rights after a reload, and what happens when they disappear.
@Suite(.timeLimit(.minutes(5))) struct SocketFileTests {
    private static let notFound = "9:NOTFOUND ,"
    private static let gone = "unix socket file was removed or replaced, opened a new one"
    private static let failed =
        "unix socket file was removed or replaced and cannot be opened again, Postfix cannot connect"

    private func temporaryPath() -> String { NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8)).sock" }

    private func ask(_ path: String) async throws -> String {
        try await TableClient.with(path: path) { try await $0.ask("2:x ,", until: ",") }
    }

    private func look(_ path: String) throws -> (mode: UInt32, group: gid_t) {
        var status = stat()
        try #require(lstat(path, &status) == 0)
        return (status.st_mode & 0o7777, status.st_gid)
    }

    @Test func `a reload makes a socket anew whose file was removed, and connections stay`() async throws {
        let fixture = TableFixture()
        let path = temporaryPath()
        try await fixture.serve(socketmap: [.unix(path: path)]) { server, _ in
            try await TableClient.with(path: path) { open in
                let before = try await open.ask("2:x ,", until: ",")
                #expect(before == Self.notFound)
                unlink(path)
                try await server.change(socketmap: [.unix(path: path)], tcpTable: [], settings: LookupSettings())
                let anew = try await ask(path)
                #expect(anew == Self.notFound)
                let after = try await open.ask("2:x ,", until: ",")
                #expect(after == Self.notFound)
            }
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(fixture.log.messages.count { $0 == Self.gone } == 1)
        #expect(!fixture.log.messages.contains("no longer listening"))
    }

    @Test func `a socket whose file was removed is made anew within the interval`() async throws {
        let fixture = TableFixture()
        let (path, clock) = (temporaryPath(), ManualTime())
        try await fixture.serve(socketmap: [.unix(path: path)], sleep: { try await clock.sleep($0) }) { _, _ in
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            unlink(path)
            clock.advance(.seconds(5))
            await fixture.log.appearance(of: Self.gone)
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            let anew = try await ask(path)
            #expect(anew == Self.notFound)
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `what cannot be made again is one line, and is made when it can be`() async throws {
        let fixture = TableFixture()
        let directory = NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8))"
        let (path, clock) = (directory + "/socket", ManualTime())
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await fixture.serve(socketmap: [.unix(path: path)], sleep: { try await clock.sleep($0) }) { _, _ in
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            try FileManager.default.removeItem(atPath: directory)
            for _ in 0..<3 {
                clock.advance(.seconds(5))
                await clock.pass(.zero, onceAsleepFor: .seconds(5))
            }
            #expect(fixture.log.messages.count { $0 == Self.failed } == 1)
            #expect(!fixture.log.messages.contains(Self.gone))
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
            clock.advance(.seconds(5))
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            let anew = try await ask(path)
            #expect(anew == Self.notFound)
        }
        #expect(fixture.log.messages.count { $0 == Self.gone } == 1)
    }

    @Test func `a socket that another process put in its place is left alone until that process ends`() async throws {
        let fixture = TableFixture()
        let (path, clock) = (temporaryPath(), ManualTime())
        defer { unlink(path) }
        try await fixture.serve(socketmap: [.unix(path: path)], sleep: { try await clock.sleep($0) }) { _, _ in
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            unlink(path)
            try await TableFixture().serve(socketmap: [.unix(path: path)]) { _ in
                await clock.pass(.seconds(5), onceAsleepFor: .seconds(5))
                await clock.pass(.zero, onceAsleepFor: .seconds(5))
                let answer = try await ask(path)
                #expect(answer == Self.notFound)
                #expect(!fixture.log.messages.contains(Self.gone))
            }
            clock.advance(.seconds(5))
            await fixture.log.appearance(of: Self.gone)
            let answer = try await ask(path)
            #expect(answer == Self.notFound)
        }
        #expect(!fixture.log.messages.contains(Self.failed))
    }

    @Test func `a file of another program in its place prevents no reload, and is left alone`() async throws {
        let fixture = TableFixture()
        let (path, clock) = (temporaryPath(), ManualTime())
        try await fixture.serve(socketmap: [.unix(path: path)], sleep: { try await clock.sleep($0) }) { server, _ in
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            unlink(path)
            try Data("theirs".utf8).write(to: URL(filePath: path))
            for _ in 0..<2 {
                try await server.change(
                    socketmap: [.unix(path: path)], tcpTable: [],
                    settings: LookupSettings(socketMode: 0o600, socketGroup: nil))
            }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "theirs")
            // Each reload reports it, and the looks between do not.
            clock.advance(.seconds(5))
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            #expect(fixture.log.messages.count { $0 == Self.failed } == 2)
            unlink(path)
            clock.advance(.seconds(5))
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            let anew = try await ask(path)
            #expect(anew == Self.notFound)
            #expect(try look(path).mode == 0o600)
        }
    }

    @Test func `a reload sets a mode right that was changed on disk`() async throws {
        let fixture = TableFixture()
        let path = temporaryPath()
        let settings = LookupSettings(socketMode: 0o666, socketGroup: nil)
        try await fixture.serve(socketmap: [.unix(path: path)], settings: settings) { (server, _) async throws in
            chmod(path, 0o600)
            try await server.change(socketmap: [.unix(path: path)], tcpTable: [], settings: settings)
            #expect(try look(path).mode == 0o666)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "an ordinary user has one group"))
    func `a reload hands the socket over to another group, and takes it back from one that is taken away`()
        async throws
    {
        let fixture = TableFixture()
        let path = temporaryPath()
        @Sendable func settings(_ group: String?) -> LookupSettings { LookupSettings(socketGroup: group) }
        func number(_ name: String) throws -> gid_t {
            let entry: UnsafeMutablePointer<group>? = getgrnam(name)
            return try #require(entry).pointee.gr_gid
        }
        let (daemon, mail) = (try number("daemon"), try number("mail"))
        try await fixture.serve(socketmap: [.unix(path: path)], settings: settings("daemon")) { server, _ in
            #expect(try look(path) == (0o660, daemon))
            try await server.change(socketmap: [.unix(path: path)], tcpTable: [], settings: settings("mail"))
            #expect(try look(path) == (0o660, mail))
            for group in [nil, "no-such-group"] {
                try await server.change(socketmap: [.unix(path: path)], tcpTable: [], settings: settings("mail"))
                try await server.change(socketmap: [.unix(path: path)], tcpTable: [], settings: settings(group))
                #expect(try look(path) == (0o600, getegid()))
            }
        }
    }
}
