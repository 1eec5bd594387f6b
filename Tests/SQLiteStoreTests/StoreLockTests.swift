import Foundation
import Glibc
import Synchronization
import Testing

@testable import SQLiteStore

@Suite struct StoreLockTests {
    let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private var path: String { fixture.files.lock }

    private var text: String { get throws { try String(contentsOfFile: path, encoding: .utf8) } }

    @Test func `two processes see each other, and the end of the other one`() throws {
        let first = try StoreLock(path)
        #expect(first.isInPlace)
        #expect(first.otherProcesses == [])
        #expect(try text == "\(getpid())\n")
        do {
            let second = try StoreLock(path)
            #expect(first.otherProcesses == [getpid()])
            #expect(second.otherProcesses == [getpid()])
        }
        #expect(first.otherProcesses == [])
        #expect(try text == "\(getpid())\n")
        first.release()
        #expect(try fixture.octets(path).isEmpty)
    }

    @Test func `a process of another id is shown by its id, and a killed one is not`() async throws {
        let lock = try StoreLock(path)
        let (path, log) = (path, fixture.directory + "/others")
        let own = getpid()
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, log = log as String, own = own as Int32] in
            let other = try StoreLock(path)
            try #require(other.otherProcesses == [own])
            try "\(getpid())".write(toFile: log, atomically: true, encoding: .utf8)
            kill(getpid(), SIGKILL)
        }
        let killed = try #require(Int32(String(contentsOfFile: log, encoding: .utf8)))
        #expect(killed != own)
        #expect(lock.otherProcesses == [])
        #expect(try text.split(separator: "\n").count == 2)
        // The next process writes the living ones only.
        let next = try StoreLock(path)
        #expect(try text == "\(own)\n")
        withExtendedLifetime(next) {}
    }

    @Test func `a release counts, though a program that is being started still has the descriptor`() throws {
        let (lock, other) = (try StoreLock(path), try StoreLock(path))
        let real = try #require(realpath(path, nil).map { String(cString: $0) })
        let copies = (3..<1_024).filter { number in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")) == real
        }.map { dup(Int32($0)) }
        defer { for copy in copies { close(copy) } }
        lock.release()
        #expect(other.otherProcesses == [])
    }

    @Test func `a process of an earlier build is shown, keeps its text, and is not started beside this one`() throws {
        let earlier = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        try #require(earlier >= 0 && flock(earlier, LOCK_EX | LOCK_NB) == 0)
        try #require(pwrite(earlier, "4711 leaving\n", 13, 0) == 13)
        let lock = try StoreLock(path)
        #expect(lock.otherProcesses == [4_711])
        #expect(try text == "4711 leaving\n")
        close(earlier)
        #expect(lock.otherProcesses == [])
        let second = open(path, O_RDWR | O_CLOEXEC)
        defer { close(second) }
        #expect(flock(second, LOCK_EX | LOCK_NB) != 0)
    }

    @Test func `a text that is not a process id names no process`() throws {
        for text in ["", "x", "\n", "99999999999999999"] {
            let earlier = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
            try #require(flock(earlier, LOCK_EX | LOCK_NB) == 0)
            try #require(pwrite(earlier, text, text.utf8.count, 0) == text.utf8.count)
            let lock = try StoreLock(path)
            #expect(lock.otherProcesses == [], "\(text)")
            close(earlier)
            lock.release()
        }
    }

    @Test func `one process at a time runs exclusively`() throws {
        let (first, second) = (try StoreLock(path), try StoreLock(path))
        let (entered, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let order = Mutex<[String]>([])
        first.exclusively {
            Thread.detachNewThread {
                entered.signal()
                second.exclusively { order.withLock { $0.append("second") } }
                ended.signal()
            }
            entered.wait()
            usleep(50_000)
            order.withLock { $0.append("first") }
        }
        ended.wait()
        #expect(order.withLock(\.self) == ["first", "second"])
    }

    @Test func `a lock file that was removed or replaced is not in place`() throws {
        let lock = try StoreLock(path)
        try FileManager.default.removeItem(atPath: path)
        #expect(!lock.isInPlace)
        let other = try StoreLock(path)
        #expect(!lock.isInPlace)
        #expect(other.isInPlace)
    }

    @Test func `it is readable for its group only`() throws {
        let lock = try StoreLock(path)
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o640)
        withExtendedLifetime(lock) {}
    }

    @Test func `a lock file that cannot be created has the system's reason`() throws {
        for (path, code) in [("/nonexistent/lock", ENOENT), (fixture.directory, EISDIR)] {
            let error = #expect(throws: StoreLockError.self) { try StoreLock(path) }
            #expect(error?.code == code)
        }
    }
}
