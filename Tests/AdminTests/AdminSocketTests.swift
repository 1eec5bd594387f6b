@testable import AdminAPI
@testable import AdminServer
import Foundation
import Glibc
import Synchronization
import Testing
import TestSupport

/// The socket: its permissions, the files it replaces, and that lookups work without it.
@Suite(.timeLimit(.minutes(5))) struct AdminSocketTests {
    @Test func `the socket belongs to its owner and group, and the service leaves no file behind`() async throws {
        let fixture = try AdminFixture()
        let group = String(cString: try #require(getgrgid(getgid())).pointee.gr_name)
        try await fixture.serve(socket: AdminSocket(path: fixture.path, group: group)) {
            var status = stat()
            #expect(lstat(fixture.path, &status) == 0)
            #expect(status.st_mode & S_IFMT == S_IFSOCK)
            #expect(status.st_mode & 0o7777 == 0o660)
            #expect(status.st_gid == getgid())
            let files = try FileManager.default.contentsOfDirectory(atPath: fixture.directory)
            #expect(files == ["admin.sock"])
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.directory) == [])
        #expect(
            fixture.log.entries.contains { $0.message == "listening" && $0.facts["address"] == "unix:\(fixture.path)" })
    }

    @Test func `a group that does not exist is logged, and no other group may connect`() async throws {
        let fixture = try AdminFixture()
        try await fixture.serve(socket: AdminSocket(path: fixture.path, group: "no-such-group-here")) {
            var status = stat()
            let isThere = lstat(fixture.path, &status) == 0
            #expect(isThere && status.st_mode & 0o7777 == 0o600)
        }
        #expect(fixture.log.messages.contains { $0.hasPrefix("admin socket group does not exist") })
    }

    @Test func `a reload removes the group's permission, restores it, and corrects a changed mode`() async throws {
        let fixture = try AdminFixture()
        let group = String(cString: try #require(getgrgid(getgid())).pointee.gr_name)
        let socket = AdminSocket(path: fixture.path, group: group)
        @Sendable func mode() -> UInt32? {
            var status = stat()
            return lstat(fixture.path, &status) == 0 ? status.st_mode & 0o7777 : nil
        }
        try await fixture.serve(socket: socket) {
            for (next, expected) in [(nil, 0o600), (group, 0o660), ("no-such-group-here", 0o600)] as [(String?, UInt32)]
            {
                socket.update(group: next, logger: fixture.log.logger())
                #expect(mode() == expected)
            }
            chmod(fixture.path, 0o666)
            socket.update(group: nil, logger: fixture.log.logger())
            #expect(mode() == 0o600)
        }
    }

    @Test func `a socket whose file was removed is opened again within the interval`() async throws {
        let fixture = try AdminFixture()
        let clock = ManualTime()
        try await fixture.serve(sleep: { try await clock.sleep($0) }) {
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            unlink(fixture.path)
            clock.advance(.seconds(5))
            await fixture.log.appearance(of: Self.reopened)
            try await fixture.requestAgain()
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.directory) == [])
    }

    @Test func `a socket whose file was removed is opened again at a reload`() async throws {
        let fixture = try AdminFixture()
        let (socket, clock) = (AdminSocket(path: fixture.path, group: nil), ManualTime())
        try await fixture.serve(socket: socket, sleep: { try await clock.sleep($0) }) {
            unlink(fixture.path)
            socket.update(group: nil, logger: fixture.log.logger())
            await fixture.log.appearance(of: Self.reopened)
            try await fixture.requestAgain()
        }
        #expect(fixture.log.messages.count { $0 == Self.reopened } == 1)
    }

    @Test func `a socket that is removed at the moment of its rename counts as lost`() throws {
        let fixture = try AdminFixture()
        let isOver = Mutex(false)
        let remover = Thread { while !isOver.withLock(\.self) { unlink(fixture.path) } }
        remover.start()
        defer { isOver.withLock { $0 = true } }
        for _ in 0..<500 {
            let socket = AdminSocket(path: fixture.path, group: nil)
            let pending = try socket.prepare()
            try leaveDeadSocket(at: pending.path)
            try socket.publish(pending, logger: fixture.log.logger())
            let isThere = FileManager.default.fileExists(atPath: fixture.path)
            #expect(isThere || socket.hasLostFile)
        }
    }

    @Test func `a socket that could not be opened is opened at a reload`() async throws {
        let fixture = try AdminFixture()
        let (directory, clock) = (fixture.directory + "/missing", ManualTime())
        let socket = AdminSocket(path: directory + "/admin.sock", group: nil)
        let service = AdminService(
            fixture.policies, socket: socket, dependencies: fixture.dependencies, logger: fixture.log.logger(),
            sleep: { try await clock.sleep($0) })
        try await fixture.run(service) {
            await fixture.log.appearance(of: Self.commandsDisabled)
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
            socket.update(group: nil, logger: fixture.log.logger())
            await fixture.log.appearance(of: "listening")
        }
        #expect(!fixture.log.messages.contains(Self.reopened))
    }

    @Test func `the socket of a killed daemon is replaced`() async throws {
        let fixture = try AdminFixture()
        try leaveDeadSocket(at: fixture.path)
        try await fixture.withClient { client in _ = try await client.get(.observe, as: ObserveModeResponse.self) }
    }

    @Test func `the socket of an earlier daemon is replaced, and the earlier one has it again at the end`() async throws
    {
        let earlier = try AdminFixture()
        let later = try AdminFixture()
        let clock = ManualTime()
        @Sendable func version() async throws -> String {
            try await AdminClient(path: earlier.path).get(.status, as: StatusResponse.self).version
        }
        try await earlier.serve(sleep: { try await clock.sleep($0) }) {
            var dependencies = later.dependencies
            dependencies.version = "later"
            let service = AdminService(
                later.policies, socket: AdminSocket(path: earlier.path, group: nil), dependencies: dependencies,
                logger: later.log.logger())
            try await later.run(service) {
                await later.log.appearance(of: "listening")
                let before = try await version()
                await clock.pass(.seconds(5), onceAsleepFor: .seconds(5))
                let after = try await version()
                #expect([before, after] == ["later", "later"])
            }
            await clock.pass(.seconds(5), onceAsleepFor: .seconds(5))
            await earlier.log.appearance(of: Self.reopened)
            #expect(try await version() == earlier.dependencies.version)
        }
        #expect(later.log.entries.count { $0.level >= .warning } == 0)
    }

    @Test func `a file that is not a socket is not replaced`() async throws {
        let fixture = try AdminFixture()
        try "precious".write(toFile: fixture.path, atomically: false, encoding: .utf8)
        try await expectDisabled(fixture, at: fixture.path, because: "the file is not a socket")
        #expect(try String(contentsOfFile: fixture.path, encoding: .utf8) == "precious")
    }

    @Test func `without the directory the daemon goes on, and logs what to do`() async throws {
        let fixture = try AdminFixture()
        let path = fixture.directory + "/missing/admin.sock"
        try await expectDisabled(fixture, at: path, because: "\(path): No such file or directory; create its directory")
    }

    @Test func `a path that is too long is logged as such`() async throws {
        let fixture = try AdminFixture()
        let path = fixture.directory + "/" + String(repeating: "x", count: 100)
        try await expectDisabled(fixture, at: path, because: "a socket's path has at most")
    }

    @Test func `a socket that another process put there is not removed at the end`() async throws {
        let fixture = try AdminFixture()
        try await fixture.serve {
            unlink(fixture.path)
            try leaveDeadSocket(at: fixture.path)
        }
        #expect(FileManager.default.fileExists(atPath: fixture.path))
    }

    @Test func `when another service ends the daemon, the socket logs no error`() async throws {
        let fixture = try AdminFixture()
        let service = AdminService(
            fixture.policies, socket: AdminSocket(path: fixture.path, group: nil), dependencies: fixture.dependencies,
            logger: fixture.log.logger())
        let running = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await service.run()
        }
        _ = await running.result
        #expect(!fixture.log.messages.contains(Self.commandsDisabled))
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.directory) == [])
    }

    private static let reopened = "admin socket file was removed or replaced, opened a new one"
    private static let commandsDisabled = "cannot open admin socket, admin commands disabled"

    /// Expects that lookups work, that one log line has the reason, and that the daemon ends normally.
    private func expectDisabled(_ fixture: AdminFixture, at path: String, because reason: String) async throws {
        fixture.publish("example.com")
        let service = AdminService(
            fixture.policies, socket: AdminSocket(path: path, group: nil), dependencies: fixture.dependencies,
            logger: fixture.log.logger())
        try await fixture.run(service) {
            await fixture.log.appearance(of: Self.commandsDisabled)
            let rule = try await fixture.lookUp("example.com").rule
            #expect(rule == .enforce)
        }
        #expect(fixture.reason?.contains(reason) == true, "\(fixture.reason ?? "none")")
        #expect(fixture.log.entries.count { $0.level >= .error } == 1)
    }
}

extension AdminFixture {
    /// Makes a request over a new connection.
    fileprivate func requestAgain() async throws {
        _ = try await AdminClient(path: path).get(.observe, as: ObserveModeResponse.self)
    }

    /// The logged reason why there is no socket.
    fileprivate var reason: String? { log.entries.last { $0.level == .error }?.facts["reason"] }
}
