import Foundation
import GRDB
import MTASTS
import PolicyService
import Synchronization
import TestSupport
import Testing

@testable import SQLiteArchive

/// A directory of its own for one test, and ways to do to an archive what the world does.
final class ArchiveLab: Sendable {
    let directory: String

    /// With what would mean something in an address.
    init() throws {
        directory =
            FileManager.default.temporaryDirectory.appending(path: "sts-bridge ?#%25é-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    var path: String { directory + "/cache.db" }
    var files: ArchiveFiles { ArchiveFiles(path) }

    /// Opened, and told so.
    func archive() async throws -> SQLiteArchive {
        let archive = try SQLiteArchive(path: path)
        let opening = try await archive.open()
        #expect(opening == .anew)
        return archive
    }

    /// Why it is not opened at all.
    func refusal(_ access: SQLiteArchive.Access = .readWrite) -> ArchiveRefusal? {
        do throws(ArchiveRefusal) {
            _ = try SQLiteArchive(path: path, access: access)
            return nil
        } catch {
            return error
        }
    }

    /// Leaves an archive with these policies behind.
    func leave(_ policies: ArchivedPolicy...) async throws {
        let archive = try await archive()
        try await archive.commit(policies.map(ArchiveChange.keep))
        await archive.close()
    }

    /// By a program that is not ours.
    func change(_ sql: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        try queue.close()
    }

    /// A program that is not ours, and that may stop in the middle of a transaction.
    func other() throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// By one that is in the middle of a transaction; `ROLLBACK` is for the test.
    func lockedByOther() throws -> DatabaseQueue {
        let other = try other()
        try other.writeWithoutTransaction { try $0.execute(sql: "BEGIN EXCLUSIVE") }
        return other
    }

    func octets(_ file: String? = nil) throws -> Data {
        try Data(contentsOf: URL(filePath: file ?? path))
    }

    func write(_ octets: some Collection<UInt8>, at offset: UInt64 = 0) throws {
        if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(filePath: path)) }
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seek(toOffset: offset)
        try handle.write(contentsOf: Data(octets))
        try handle.close()
    }

    func remove(_ suffixes: String...) throws {
        for suffix in suffixes { try FileManager.default.removeItem(atPath: path + suffix) }
    }

    /// As much as there is room for.
    func fill(_ file: String) throws {
        try Data().write(to: URL(filePath: file))
        let handle = try #require(FileHandle(forWritingAtPath: file))
        while (try? handle.write(contentsOf: Data(count: 1_024))) != nil {}
        try handle.close()
    }

    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: directory).sorted() }
}

/// A tmpfs over the laboratory's directory, gone with the namespace.
enum Mount {
    /// Only in the world of `Tests/in-namespace`: elsewhere the mount would stay.
    static var isPossible: Bool { ProcessInfo.processInfo.environment["LABORATORY"] == "inside" }

    static func tmpfs(_ directory: String, _ options: String) throws {
        try run("-t", "tmpfs", "-o", options, "tmpfs", directory)
    }

    static func remount(_ directory: String, _ options: String) throws {
        try run("-o", "remount,\(options)", directory)
    }

    static func unmount(_ directory: String) throws {
        _ = try Process.run(URL(filePath: "/bin/umount"), arguments: ["-l", directory]).waitUntilExit()
    }

    /// More than once: a program that another test is just starting may hold a file of ours open for writing.
    private static func run(_ arguments: String...) throws {
        var status: Int32 = -1
        for _ in 0..<100 where status != 0 {
            let process = try Process.run(URL(filePath: "/bin/mount"), arguments: arguments)
            process.waitUntilExit()
            status = process.terminationStatus
        }
        try #require(status == 0)
    }
}

extension SQLiteArchive {
    func loaded() async throws -> [ArchivedRow] {
        let rows = Mutex<[ArchivedRow]>([])
        try await load { chunk in rows.withLock { $0 += chunk } }
        return rows.withLock { $0 }
    }

    func keep(_ policies: ArchivedPolicy...) async throws {
        try await commit(policies.map(ArchiveChange.keep))
    }
}

/// What a step failed with, in words; `nil` if it did not.
func failure(_ body: () async throws -> some Any) async -> String? {
    do {
        _ = try await body()
        return nil
    } catch let error as ArchiveFailure {
        return error.description
    } catch {
        Issue.record("\(error)")
        return nil
    }
}
