import Foundation
import Glibc
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

    @Test func `the limits of a path leave space for each temporary name (unix(7))`() throws {
        try with {
            let longest = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1
            #expect(UnixSocketFile.maximumPath == longest)
            #expect(UnixSocketFile.maximumPathWithDirectory + "/.XXXXXX/s".utf8.count - 1 == longest)
        }
    }

    @Test func `a new socket is open to its owner only, and replaces the file at the path`() throws {
        try Data().write(to: URL(filePath: file.path))
        let (temporary, descriptor) = try file.bindBeside()
        try with(descriptor) {
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
        let (temporary, descriptor) = try file.bindBeside()
        try with(descriptor) {
            try temporary.move(to: file)
            #expect(try file.occupant() == .unusedSocket)
            #expect(!file.isServed)
            try #require(listen(descriptor, 0) == 0)
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
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: file.path.utf8) }
            let bound = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            try #require(bound == 0)
            #expect(try file.occupant() == .servedSocket(isOurs: false))
            #expect(!file.isAbandoned)
        }
    }

    @Test func `a socket is lost if its file is removed or unused, and not if another process listens`() throws {
        let (first, firstDescriptor) = try file.bindBeside()
        try first.move(to: file)
        let identity = try #require(file.identity)
        let (second, secondDescriptor) = try file.bindBeside()
        try with(firstDescriptor, secondDescriptor) {
            #expect(!file.hasLost(identity))
            let kept = try file.keepBeside()
            try second.move(to: file)
            #expect(file.hasLost(identity))
            try #require(listen(secondDescriptor, 5) == 0)
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
            let (first, _) = try file.bindBeside()
            try first.move(to: file)
            let identity = try #require(file.identity)
            let (second, descriptor) = try file.bindBeside()
            try second.move(to: file)
            try #require(listen(descriptor, 5) == 0)
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

    @Test func `a path that is too long is an error`() throws {
        let long = UnixSocketFile(path: directory + "/" + String(repeating: "x", count: 108))
        try with {
            let error = #expect(throws: SystemCallError.self) { try long.bindBeside() }
            #expect(error?.code == ENAMETOOLONG)
        }
    }
}
