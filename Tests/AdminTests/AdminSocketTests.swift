@testable import Admin
import Foundation
import Glibc
import Synchronization
import Testing
import TestSupport

/// The socket: whose it is, what it replaces, and that mail goes on without it.
@Suite(.timeLimit(.minutes(5))) struct AdminSocketTests {
    @Test func `the socket is its owner's and its group's, and gone at the end with all that made it`() async throws {
        let lab = try AdminLab()
        let group = String(cString: try #require(getgrgid(getgid())).pointee.gr_name)
        try await lab.serve(socket: AdminSocket(path: lab.path, group: group)) {
            var status = stat()
            #expect(lstat(lab.path, &status) == 0)
            #expect(status.st_mode & S_IFMT == S_IFSOCK)
            #expect(status.st_mode & 0o7777 == 0o660)
            #expect(status.st_gid == getgid())
            let files = try FileManager.default.contentsOfDirectory(atPath: lab.directory)
            #expect(files == ["admin.sock"])
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: lab.directory) == [])
        #expect(lab.log.entries.contains { $0.message == "listening" && $0.facts["address"] == "unix:\(lab.path)" })
    }

    @Test func `a group that does not exist is told, and nobody else may connect`() async throws {
        let lab = try AdminLab()
        try await lab.serve(socket: AdminSocket(path: lab.path, group: "no-such-group-here")) {
            var status = stat()
            let isThere = lstat(lab.path, &status) == 0
            #expect(isThere && status.st_mode & 0o7777 == 0o600)
        }
        #expect(lab.log.messages.contains { $0.hasPrefix("group of the admin socket does not exist") })
    }

    @Test func `a reload takes the group's right away, gives it back, and sets a changed mode right`() async throws {
        let lab = try AdminLab()
        let group = String(cString: try #require(getgrgid(getgid())).pointee.gr_name)
        let socket = AdminSocket(path: lab.path, group: group)
        @Sendable func mode() -> UInt32? {
            var status = stat()
            return lstat(lab.path, &status) == 0 ? status.st_mode & 0o7777 : nil
        }
        try await lab.serve(socket: socket) {
            for (next, expected) in [(nil, 0o600), (group, 0o660), ("no-such-group-here", 0o600)] as [(String?, UInt32)]
            {
                socket.update(group: next, logger: lab.log.logger())
                #expect(mode() == expected)
            }
            chmod(lab.path, 0o666)
            socket.update(group: nil, logger: lab.log.logger())
            #expect(mode() == 0o600)
        }
    }

    @Test func `a socket whose file was removed is made again within the interval`() async throws {
        let lab = try AdminLab()
        let clock = ManualTime()
        try await lab.serve(sleep: { try await clock.sleep($0) }) {
            await clock.pass(.zero, onceAsleepFor: .seconds(5))
            unlink(lab.path)
            clock.advance(.seconds(5))
            await lab.log.appearance(of: Self.gone)
            try await lab.askAgain()
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: lab.directory) == [])
    }

    @Test func `a socket whose file was removed is made again at a reload`() async throws {
        let lab = try AdminLab()
        let (socket, clock) = (AdminSocket(path: lab.path, group: nil), ManualTime())
        try await lab.serve(socket: socket, sleep: { try await clock.sleep($0) }) {
            unlink(lab.path)
            socket.update(group: nil, logger: lab.log.logger())
            await lab.log.appearance(of: Self.gone)
            try await lab.askAgain()
        }
        #expect(lab.log.messages.count { $0 == Self.gone } == 1)
    }

    @Test func `a socket that is removed the moment it gets its name counts as lost`() throws {
        let lab = try AdminLab()
        let isOver = Mutex(false)
        let remover = Thread { while !isOver.withLock(\.self) { unlink(lab.path) } }
        remover.start()
        defer { isOver.withLock { $0 = true } }
        for _ in 0..<500 {
            let socket = AdminSocket(path: lab.path, group: nil)
            let place = try socket.prepare()
            try leaveDeadSocket(at: place.path)
            try socket.settle(place, logger: lab.log.logger())
            let isThere = FileManager.default.fileExists(atPath: lab.path)
            #expect(isThere || socket.hasLostFile)
        }
    }

    @Test func `a socket that could not be made is made at a reload`() async throws {
        let lab = try AdminLab()
        let (directory, clock) = (lab.directory + "/missing", ManualTime())
        let socket = AdminSocket(path: directory + "/admin.sock", group: nil)
        let service = AdminService(
            lab.policies, socket: socket, seams: lab.seams, logger: lab.log.logger(),
            sleep: { try await clock.sleep($0) })
        try await lab.run(service) {
            await lab.log.appearance(of: Self.without)
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
            socket.update(group: nil, logger: lab.log.logger())
            await lab.log.appearance(of: "listening")
        }
        #expect(!lab.log.messages.contains(Self.gone))
    }

    @Test func `a socket that a killed daemon left is replaced`() async throws {
        let lab = try AdminLab()
        try leaveDeadSocket(at: lab.path)
        try await lab.ask { client in _ = try await client.get(.observe, as: Observation.self) }
    }

    @Test func `a socket that another daemon serves stays its own`() async throws {
        let first = try AdminLab()
        let second = try AdminLab()
        try await first.ask { client in
            let service = AdminService(
                second.policies, socket: AdminSocket(path: first.path, group: nil), seams: second.seams,
                logger: second.log.logger())
            try await second.run(service) { await second.log.appearance(of: Self.without) }
            _ = try await client.get(.observe, as: Observation.self)
        }
        #expect(second.reason?.contains("another process serves it") == true)
    }

    @Test func `a file that is no socket is not replaced`() async throws {
        let lab = try AdminLab()
        try "precious".write(toFile: lab.path, atomically: false, encoding: .utf8)
        try await expectWithout(lab, at: lab.path, because: "a file that is no socket is in the way")
        #expect(try String(contentsOfFile: lab.path, encoding: .utf8) == "precious")
    }

    @Test func `without its directory the daemon goes on, and says what to do`() async throws {
        let lab = try AdminLab()
        let path = lab.directory + "/missing/admin.sock"
        try await expectWithout(lab, at: path, because: "\(path): No such file or directory; create its directory")
    }

    @Test func `a path that is too long is told as that`() async throws {
        let lab = try AdminLab()
        let path = lab.directory + "/" + String(repeating: "x", count: 100)
        try await expectWithout(lab, at: path, because: "a socket's path has at most")
    }

    @Test func `a socket that somebody else put there meanwhile is not removed at the end`() async throws {
        let lab = try AdminLab()
        try await lab.serve {
            unlink(lab.path)
            try leaveDeadSocket(at: lab.path)
        }
        #expect(FileManager.default.fileExists(atPath: lab.path))
    }

    @Test func `where the daemon ends because of another part, the socket has no complaint of its own`() async throws {
        let lab = try AdminLab()
        let service = AdminService(
            lab.policies, socket: AdminSocket(path: lab.path, group: nil), seams: lab.seams, logger: lab.log.logger())
        let running = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await service.run()
        }
        _ = await running.result
        #expect(!lab.log.messages.contains(Self.without))
        #expect(try FileManager.default.contentsOfDirectory(atPath: lab.directory) == [])
    }

    private static let gone = "file of the admin socket was gone, listening anew"
    private static let without =
        "admin socket cannot be had, going on without: status, explain and orders do not work"

    /// Lookups are answered, one line tells the reason, and the end is in order.
    private func expectWithout(_ lab: AdminLab, at path: String, because reason: String) async throws {
        lab.publish("example.com")
        let service = AdminService(
            lab.policies, socket: AdminSocket(path: path, group: nil), seams: lab.seams, logger: lab.log.logger())
        try await lab.run(service) {
            await lab.log.appearance(of: Self.without)
            let rule = try await lab.look(up: "example.com").rule
            #expect(rule == .enforce)
        }
        #expect(lab.reason?.contains(reason) == true, "\(lab.reason ?? "none")")
        #expect(lab.log.entries.count { $0.level >= .error } == 1)
    }
}

extension AdminLab {
    /// A request over a new connection.
    fileprivate func askAgain() async throws {
        try await AdminClient.with(path: path) { _ = try await $0.get(.observe, as: Observation.self) }
    }

    /// Why there is no socket.
    fileprivate var reason: String? { log.entries.last { $0.level == .error }?.facts["reason"] }
}
