import Foundation
import Glibc
import TestSupport
import Testing
import UnixSockets

/// On real sockets. What only root may do is tested only if the tests run as root, as Tests/in-namespace runs them.
@Suite struct SocketRightsTests {
    private let directory = NSTemporaryDirectory() + "sts-rights-\(UUID().uuidString.prefix(8))"
    private var path: String { directory + "/socket" }

    init() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    /// Makes a socket, runs `test`, and removes everything.
    private func withSocket(mode: UInt32 = 0o600, _ test: () throws -> Void) throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try leaveDeadSocket(at: path)
        try #require(chmod(path, mode) == 0)
        try test()
    }

    private func look() throws -> (mode: UInt32, group: gid_t) {
        var status = stat()
        try #require(lstat(path, &status) == 0)
        return (status.st_mode & 0o7777, status.st_gid)
    }

    private func ownGroup() throws -> String {
        let entry: UnsafeMutablePointer<group>? = getgrgid(getegid())
        return String(cString: try #require(entry).pointee.gr_name)
    }

    private func number(of name: String) throws -> gid_t {
        let entry: UnsafeMutablePointer<group>? = getgrnam(name)
        return try #require(entry).pointee.gr_gid
    }

    @Test(
        arguments: [
            (0o660, 0o600), (0o600, 0o600), (0o640, 0o600), (0o666, 0o666), (0o662, 0o622), (0o777, 0o777),
            (0o070, 0o000),
        ] as [(UInt32, UInt32)])
    func `without a group its bits are those of everybody`(mode: UInt32, restricted: UInt32) throws {
        #expect(SocketRights(mode: mode, group: nil).restrictedMode == restricted)
        try withSocket { () throws in
            #expect(try SocketRights(mode: mode, group: nil).apply(to: path) == nil)
            #expect(try look() == (restricted, getegid()))
        }
    }

    @Test func `a group that is given has the bits of the mode`() throws {
        try withSocket { () throws in
            let group = try ownGroup()
            #expect(try SocketRights(mode: 0o660, group: group).apply(to: path) == nil)
            #expect(try look() == (0o660, getegid()))
        }
    }

    @Test func `a group that does not exist lets no user in`() throws {
        try withSocket(mode: 0o660) { () throws in
            #expect(try SocketRights(mode: 0o660, group: "no-such-group").apply(to: path) == .noSuchGroup)
            #expect(try look() == (0o600, getegid()))
        }
    }

    /// Root may give a socket to any group, so another process drops root's rights.
    @Test func `a group that this user may not set lets no user in`() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try leaveDeadSocket(at: path)
        try #require(chmod(path, 0o660) == 0 && chmod(directory, 0o755) == 0)
        let isRoot = geteuid() == 0
        if isRoot { try #require(chown(path, 65_534, 65_534) == 0) }
        await #expect(processExitsWith: .success) { [path = path as String] in
            if geteuid() == 0 { try #require(setgroups(0, nil) == 0 && setgid(65_534) == 0 && setuid(65_534) == 0) }
            let problem = try SocketRights(mode: 0o660, group: "root").apply(to: path)
            try #require(problem == .notGiven(EPERM))
        }
        #expect(try look() == (0o600, isRoot ? 65_534 : getegid()))
    }

    @Test(.enabled(if: geteuid() == 0, "an ordinary user has one group"))
    func `a group that is taken away has nothing any more, and one that changes hands it over`() throws {
        try withSocket { () throws in
            try SocketRights(mode: 0o660, group: "daemon").apply(to: path)
            let daemon = try number(of: "daemon")
            #expect(try look() == (0o660, daemon))
            let mail = try number(of: "mail")
            try SocketRights(mode: 0o660, group: "mail").apply(to: path)
            #expect(try look() == (0o660, mail))
            try SocketRights(mode: 0o660, group: nil).apply(to: path)
            #expect(try look() == (0o600, getegid()))
        }
    }

    @Test func `neither a symbolic link nor another file is changed`() throws {
        try withSocket(mode: 0o600) { () throws in
            let link = directory + "/link"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
            #expect(throws: SystemCallError(code: ENOTSOCK)) {
                try SocketRights(mode: 0o666, group: nil).apply(to: link)
            }
            #expect(try look().mode == 0o600)
            #expect(throws: SystemCallError(code: ENOENT)) {
                try SocketRights(mode: 0o666, group: nil).apply(to: directory + "/none")
            }
        }
    }
}
