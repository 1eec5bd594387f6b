import Foundation
import GRDB
import MTASTS
import PolicyCaching
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

/// A directory for one test, and what other programs and the disk can do to a store in it.
final class StoreFixture: Sendable {
    let directory: String

    /// The name has characters that have a meaning in a URI.
    init() throws {
        directory =
            FileManager.default.temporaryDirectory.appending(path: "sts-bridge ?#%25é-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    var path: String { directory + "/cache.db" }
    var files: StoreFiles { StoreFiles(path) }

    /// An open store.
    func store() async throws -> SQLitePolicyStore {
        let store = try SQLitePolicyStore(path: path)
        let opening = try await store.open()
        #expect(opening == .anew)
        return store
    }

    /// The error that prevents opening.
    func openError(_ access: SQLitePolicyStore.Access = .readWrite) -> StoreOpenError? {
        do throws(StoreOpenError) {
            _ = try SQLitePolicyStore(path: path, access: access)
            return nil
        } catch {
            return error
        }
    }

    /// Leaves a store with these policies behind.
    func leave(_ policies: StoredPolicy...) async throws {
        let store = try await store()
        try await store.commit(policies.map(StoreChange.savePolicy))
        await store.close()
    }

    /// Changes the file as another program does.
    func change(_ sql: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        try queue.close()
    }

    /// Another program, which may stop in the middle of a transaction.
    func other() throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// Another program in the middle of a transaction. The test ends it with `ROLLBACK`.
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

    /// Writes as much as there is space for.
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
    static var isPossible: Bool { ProcessInfo.processInfo.environment["TEST_NETWORK"] == "inside" }

    static func tmpfs(_ directory: String, options: String) throws {
        try run("-t", "tmpfs", "-o", options, "tmpfs", directory)
    }

    static func remount(_ directory: String, options: String) throws {
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

extension SQLitePolicyStore {
    func loaded() async throws -> [StoredRow] {
        let rows = Mutex<[StoredRow]>([])
        try await load { chunk in rows.withLock { $0 += chunk } }
        return rows.withLock { $0 }
    }

    func keep(_ policies: StoredPolicy...) async throws {
        try await commit(policies.map(StoreChange.savePolicy))
    }
}

/// The text of the error that a step throws; `nil` if it throws none.
func failure(_ body: () async throws -> some Any) async -> String? {
    do {
        _ = try await body()
        return nil
    } catch let error as StoreError {
        return error.description
    } catch {
        Issue.record("\(error)")
        return nil
    }
}
