import Foundation

/// A file system that is small enough to be full.
struct SmallDisk: Sendable {
    let directory: String
    private var ballast: String { directory + "/ballast" }

    /// - Parameter mebibytes: more than the free space that the store needs to continue, which is one.
    static func mounted(
        in network: TestNetwork, mebibytes: Int = 6, _ body: (SmallDisk) async throws -> Void
    ) async throws {
        let disk = SmallDisk(directory: "\(network.directory)/disk-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(atPath: disk.directory, withIntermediateDirectories: true)
        try await ChildProcess.must(
            "/bin/mount", arguments: ["-t", "tmpfs", "-o", "size=\(mebibytes)m", "disk", disk.directory])
        do {
            try await body(disk)
        } catch {
            _ = try? await ChildProcess.run("/bin/umount", arguments: ["-l", disk.directory])
            throw error
        }
        // Fails while a process has a file open there.
        try await ChildProcess.must("/bin/umount", arguments: [disk.directory])
    }

    /// Leaves no free octet.
    func fill() throws {
        let descriptor = open(ballast, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let page = [UInt8](repeating: 0x55, count: 4_096)
        while write(descriptor, page, page.count) > 0 {}
        guard errno == ENOSPC else {
            throw TestNetworkError("cannot fill \(ballast): \(String(cString: strerror(errno)))")
        }
    }

    func free() throws {
        try FileManager.default.removeItem(atPath: ballast)
    }

    func makeReadOnly() async throws {
        try await ChildProcess.must("/bin/mount", arguments: ["-o", "remount,ro", directory])
    }
}
