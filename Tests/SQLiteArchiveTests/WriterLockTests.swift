import Foundation
import Glibc
import Testing

@testable import SQLiteArchive

@Suite struct WriterLockTests {
    let lab: ArchiveLab

    init() throws { lab = try ArchiveLab() }

    private var path: String { lab.files.lock }

    private func taken() -> WriterLock? {
        guard case .taken(let lock) = WriterLock.attempt(path) else { return nil }
        return lock
    }

    /// `nil`: nobody holds it.
    private var holder: WriterLock.Holder? {
        guard case .held(let holder) = WriterLock.attempt(path) else { return nil }
        return holder
    }

    @Test func `it keeps others out, says who holds it, and ends with its holder`() throws {
        do {
            let lock = try #require(taken())
            #expect(lock.isInPlace)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "\(getpid())\n")
            #expect(holder == WriterLock.Holder(pid: getpid(), isLeaving: false))
            lock.announceRelease()
            #expect(holder == WriterLock.Holder(pid: getpid(), isLeaving: true))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "\(getpid()) leaving\n")
        }
        #expect(try lab.octets(path).isEmpty)
        #expect(taken() != nil)
    }

    @Test func `a release counts, though a program that is being started still has the descriptor`() throws {
        let lock = try #require(taken())
        let real = try #require(realpath(path, nil).map { String(cString: $0) })
        let descriptor = try #require(
            (3..<1_024).first { number in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")) == real
            })
        let copy = dup(Int32(descriptor))
        defer { close(copy) }
        lock.release()
        #expect(holder == nil)
    }

    @Test func `what a killed holder left behind keeps nobody out`() throws {
        try Data("4711\n".utf8).write(to: URL(filePath: path))
        #expect(taken() != nil)
    }

    @Test func `a holder that is not named is held by nobody in particular`() throws {
        let lock = try #require(taken())
        for text in ["", "x", "\n", "99999999999999999"] {
            try #require(FileHandle(forWritingAtPath: path)).truncate(atOffset: 0)
            try #require(FileHandle(forWritingAtPath: path)).write(contentsOf: Data(text.utf8))
            #expect(holder == WriterLock.Holder(pid: nil, isLeaving: false), "\(text)")
        }
        withExtendedLifetime(lock) {}
    }

    @Test func `one that was removed or replaced is not in place`() throws {
        let lock = try #require(taken())
        try FileManager.default.removeItem(atPath: path)
        #expect(!lock.isInPlace)
        let other = try #require(taken())
        #expect(!lock.isInPlace)
        #expect(other.isInPlace)
    }

    @Test func `it is readable for its group only, and not passed on to programs`() throws {
        let lock = try #require(taken())
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o640)
        withExtendedLifetime(lock) {}
    }

    @Test func `where it cannot be made the system's reason is told`() throws {
        for (path, reason) in [("/nonexistent/lock", ENOENT), (lab.directory, EISDIR)] {
            guard case .impossible(reason) = WriterLock.attempt(path) else {
                Issue.record("\(path)")
                return
            }
        }
    }
}
