import Foundation
import Glibc
import LocalSystem
import Testing

@testable import UnixSockets

@Suite struct UnixSocketFileTests {
    private let directory: String
    private let file: UnixSocketFile

    init() throws {
        directory = NSTemporaryDirectory() + "sts-file-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        file = UnixSocketFile(path: directory + "/socket")
    }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    }

    /// Runs the test, then closes the descriptors and removes the directory.
    private func with(_ descriptors: Int32..., test: () throws -> Void) throws {
        defer {
            for descriptor in descriptors { close(descriptor) }
            try? FileManager.default.removeItem(atPath: directory)
        }
        try test()
    }

    /// Leaves a socket at a path on which no process listens, as a killed process does.
    private func leaveUnused(_ file: UnixSocketFile) throws {
        let (temporary, descriptor) = try file.bindBeside(backlog: 5)
        close(descriptor)
        try temporary.move(to: file)
    }

    /// The sockets of processes that were started one after the other.
    private func startProcesses(_ count: Int) throws -> [(identity: FileIdentity, descriptor: Int32)] {
        try (0..<count).map { number in
            let (temporary, descriptor) = try file.bindBeside(backlog: 5)
            let identity = try #require(temporary.identity)
            // The clock of the file system has steps of some milliseconds.
            let time = timespec(tv_sec: 1_000 + number, tv_nsec: 0)
            try #require(utimensat(AT_FDCWD, temporary.path, [time, time], 0) == 0)
            try file.replace(with: temporary)
            return (identity, descriptor)
        }
    }

    /// The process releases the path, and then stops listening.
    private func end(_ process: (identity: FileIdentity, descriptor: Int32)) {
        file.release(process.identity)
        close(process.descriptor)
    }

    @Test func `the limits of a path leave space for each temporary name (unix(7))`() throws {
        try with {
            let longest = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1
            #expect(UnixSocketFile.maximumPathWithDirectory + "/.XXXXXX/s".utf8.count - 1 == longest)
        }
    }

    @Test func `a new socket is open to its owner only, and replaces the file at the path`() throws {
        try Data().write(to: URL(filePath: file.path))
        let (temporary, descriptor) = try file.bindBeside(backlog: 5)
        try with(descriptor) {
            // So no other process takes it for unused.
            #expect(temporary.isServed)
            var status = stat()
            try #require(lstat(temporary.path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(temporary.path.utf8.count == file.path.utf8.count + UnixSocketFile.temporarySuffixLength)
            #expect(temporary.path.hasPrefix(file.path))
            let identity = temporary.identity
            try temporary.move(to: file)
            #expect(file.identity == identity)
            #expect(try names() == ["socket"])
        }
    }

    @Test func `an occupant is nothing, an unused socket, a served socket or another file`() throws {
        #expect(try file.occupant() == .nothing)
        #expect(try UnixSocketFile(path: directory + "/missing/socket").occupant() == .nothing)
        try leaveUnused(file)
        let (temporary, descriptor) = try file.bindBeside(backlog: 0)
        try with(descriptor) {
            #expect(try file.occupant() == .unusedSocket)
            #expect(!file.isServed)
            try temporary.move(to: file)
            // The second look finds a full queue.
            for _ in 0..<3 { #expect(try file.occupant() == .servedSocket(isOurs: true)) }
            #expect(file.isServed)
            file.remove()
            try Data().write(to: URL(filePath: file.path))
            #expect(try file.occupant() == .otherFile)
        }
    }

    @Test func `a datagram socket that a process uses is not replaced`() throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        try with(descriptor) {
            let address = try #require(UnixAddress(path: file.path))
            try #require(address.withPointer { bind(descriptor, $0, $1) } == 0)
            #expect(try file.occupant() == .servedSocket(isOurs: false))
            #expect(!file.isAbandoned)
        }
    }

    @Test func `a socket is lost if its file is removed or unused, and not if another process listens`() throws {
        let (first, firstDescriptor) = try file.bindBeside(backlog: 5)
        try first.move(to: file)
        let identity = try #require(file.identity)
        let (second, secondDescriptor) = try file.bindBeside(backlog: 5)
        try with(firstDescriptor, secondDescriptor) {
            #expect(!file.hasLost(identity))
            let kept = try file.keepBeside()
            try leaveUnused(file)
            #expect(file.hasLost(identity))
            try second.move(to: file)
            #expect(!file.hasLost(identity))
            file.remove()
            #expect(file.hasLost(identity))
            // The second name leads to the earlier socket.
            #expect(kept.identity == identity)
            try kept.move(to: file)
            #expect(!file.hasLost(identity))
            #expect(try names() == ["socket"])
        }
    }

    /// Otherwise the socket of another process would be replaced.
    @Test func `without a free descriptor a socket is not taken for lost or unused`() async {
        await #expect(processExitsWith: .success) {
            let directory = NSTemporaryDirectory() + "sts-file-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let file = UnixSocketFile(path: directory + "/socket")
            let (first, _) = try file.bindBeside(backlog: 5)
            try first.move(to: file)
            let identity = try #require(file.identity)
            let (second, _) = try file.bindBeside(backlog: 5)
            try second.move(to: file)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let old = limit.rlim_cur
            limit.rlim_cur = 0
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let (isLost, isAbandoned) = (file.hasLost(identity), file.isAbandoned)
            limit.rlim_cur = old
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            try #require(!isLost && !isAbandoned)
            try #require(!file.hasLost(identity))
        }
    }

    // MARK: Several processes

    /// The order in which processes end, and after each end the process that has the path. 0 was started first.
    @Test(
        arguments: [
            ([2, 1, 0], [1, 0, nil]), ([2, 0, 1], [1, 1, nil]), ([1, 2, 0], [2, 0, nil]), ([1, 0, 2], [2, 2, nil]),
            ([0, 1, 2], [2, 2, nil]), ([0, 2, 1], [2, 1, nil]),
        ] as [([Int], [Int?])])
    func `as long as one of three processes listens, the path leads to one that listens`(
        order: [Int], owners: [Int?]
    ) throws {
        let processes = try startProcesses(3)
        try with { () throws in
            for (ending, owner) in zip(order, owners) {
                end(processes[ending])
                let expected = owner.map { processes[$0].identity }
                #expect(file.identity == expected)
                #expect(file.isServed == (owner != nil))
            }
            #expect(try names() == [])
        }
    }

    @Test func `an earlier process that was killed does not get the path`() throws {
        let processes = try startProcesses(3)
        try with(processes[0].descriptor) {
            close(processes[1].descriptor)
            end(processes[2])
            #expect(file.identity == processes[0].identity)
            #expect(file.isServed)
        }
    }

    @Test func `the names that a killed process left are removed, and no others`() throws {
        let processes = try startProcesses(2)
        try with(processes[0].descriptor, processes[1].descriptor) {
            for suffix in [".abc", ".09z"] { try leaveUnused(UnixSocketFile(path: file.path + suffix)) }
            let others = [".ab", ".abcd", ".ABC", "-abc", ".a.b"]
            for suffix in others { try leaveUnused(UnixSocketFile(path: file.path + suffix)) }
            try Data().write(to: URL(filePath: file.path + ".dat"))
            try FileManager.default.createSymbolicLink(
                atPath: file.path + ".lnk", withDestinationPath: file.path + ".ab")
            let before = try names()
            file.removeUnusedNames()
            let after = try names()
            #expect(Set(before).subtracting(after) == ["socket.abc", "socket.09z"])
            #expect(file.identity == processes[1].identity)
            end(processes[1])
            // The second name of the first process was left alone.
            #expect(file.identity == processes[0].identity)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root may give files away"))
    func `the unused socket of another user is not removed`() throws {
        try with {
            let other = UnixSocketFile(path: file.path + ".abc")
            try leaveUnused(other)
            try #require(chown(other.path, 65_534, 65_534) == 0)
            file.removeUnusedNames()
            #expect(try names() == ["socket.abc"])
        }
    }

    @Test func `while another process changes the names, none is removed`() throws {
        try with {
            try leaveUnused(UnixSocketFile(path: file.path + ".abc"))
            let lock = open(directory, O_RDONLY | O_DIRECTORY)
            try #require(flock(lock, LOCK_EX) == 0)
            file.removeUnusedNames()
            #expect(try names() == ["socket.abc"])
            close(lock)
            file.removeUnusedNames()
            #expect(try names() == [])
        }
    }

    /// The configuration has the paths `socket` and `socket.tcp`.
    @Test func `a path that looks like a second name of another path is not moved`() throws {
        let other = UnixSocketFile(path: file.path + ".tcp")
        let (temporary, descriptor) = try other.bindBeside(backlog: 5)
        try other.replace(with: temporary)
        let process = try startProcesses(1)[0]
        try with(descriptor) { () throws in
            file.removeUnusedNames()
            end(process)
            #expect(try names() == ["socket.tcp"])
            #expect(other.isServed)
        }
    }

    @Test func `a path that is too long is an error`() throws {
        let long = UnixSocketFile(path: directory + "/" + String(repeating: "x", count: 108))
        try with {
            let error = #expect(throws: SystemCallError.self) { try long.bindBeside(backlog: 5) }
            #expect(error?.code == ENAMETOOLONG)
        }
    }
}
