import Glibc
import Testing

@testable import Doctor

/// The path to a socket, with the modes of every step.
@Suite struct SocketPathTests {
    private static let user = Account(name: "postfix", user: 102, primaryGroup: 105, groups: [105, 200])

    @Test(arguments: [
        (UInt32(0o700), UInt32(102), UInt32(0), true), (0o070, 0, 105, true), (0o070, 0, 200, true),
        (0o007, 0, 0, true),
        (0o770, 0, 0, false), (0o077, 102, 0, false), (0o707, 0, 105, false), (0o000, 0, 0, false),
    ])
    func `the first of owner, group and others decides`(mode: UInt32, owner: UInt32, group: UInt32, granted: Bool) {
        for right in [FileStatus.Right.read, .write, .search] {
            #expect(FileStatus(.file, mode: mode, owner: owner, group: group).grants(right, to: Self.user) == granted)
        }
    }

    @Test func `root has every right, and a list may grant more`() {
        let root = Account(name: "root", user: 0, primaryGroup: 0, groups: [0])
        #expect(FileStatus(.file, mode: 0, owner: 1).grants(.write, to: root) == true)
        #expect(FileStatus(.file, mode: 0, owner: 1, hasACL: true).grants(.write, to: Self.user) == nil)
        #expect(FileStatus(.file, mode: 0o002, owner: 1, hasACL: true).grants(.write, to: Self.user) == true)
    }

    @Test func `every step is checked, from the base directory on`() throws {
        try inDirectory { directory in
            // Not with mkdir's mode, which the umask reduces.
            #expect(chmod(directory, 0o755) == 0)
            let path = SocketPath("/run/s", from: directory)
            #expect(path.steps.map(\.path) == [directory, directory + "/run", directory + "/run/s"])
            #expect(path.access(for: Self.user) == .missing(directory + "/run"))
            #expect(mkdir(directory + "/run", 0o700) == 0)
            let closed = SocketPath("run/s", from: directory)
            guard case .denied(directory + "/run", .search, _) = closed.access(for: Self.user) else {
                Issue.record("\(closed.access(for: Self.user))")
                return
            }
            #expect(chmod(directory + "/run", 0o755) == 0)
            #expect(SocketPath("run/s", from: directory).access(for: Self.user) == .missing(directory + "/run/s"))
            #expect(SocketPath("run", from: directory).access(for: Self.user) == .notASocket(directory + "/run"))
        }
        #expect(SocketPath("/run/s", from: "/").steps.map(\.path) == ["/", "/run", "/run/s"])
    }

    @Test func `an access control list is detected`() throws {
        try inDirectory { directory in
            guard case .found(let facts) = FileLookup.at(directory) else {
                Issue.record("\(FileLookup.at(directory))")
                return
            }
            #expect(facts.kind == .directory)
            #expect(!facts.hasACL)
        }
    }

    @Test func `accounts are found with their groups`() {
        let root = Account.numbered(0)
        #expect(root?.name == "root")
        #expect(root == Account.named("root"))
        #expect(root?.groups.contains(0) == true)
        #expect(Account.named("no-such-user-here") == nil)
    }
}
