import Foundation
import Glibc
import Testing

@testable import STSBridge

@Suite(.timeLimit(.minutes(5))) struct FileVersionTests {
    /// As an editor that writes in place within the clock tick of the last look, or a program that sets the time back.
    @Test func `a write of the same size with the same modification time is a new version`() throws {
        let path = NSTemporaryDirectory() + "sts-version-\(UUID().uuidString.prefix(8))"
        try "level = may".write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var status = stat()
        #expect(stat(path, &status) == 0)
        let before = try #require(FileVersion(of: path))
        // The kernel's clock for files goes in steps of some milliseconds.
        let deadline = ContinuousClock.now + .seconds(5)
        repeat {
            let file = try #require(FileHandle(forWritingAtPath: path))
            try file.write(contentsOf: Data("level = abc".utf8))
            try file.close()
            var times = [status.st_atim, status.st_mtim]
            #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
        } while FileVersion(of: path) == before && ContinuousClock.now < deadline
        #expect(FileVersion(of: path) != before)
    }

    @Test func `a file that nobody touches keeps its version, and one that is missing has none`() throws {
        let path = NSTemporaryDirectory() + "sts-version-\(UUID().uuidString.prefix(8))"
        try "a".write(toFile: path, atomically: false, encoding: .utf8)
        #expect(FileVersion(of: path) == FileVersion(of: path))
        try FileManager.default.removeItem(atPath: path)
        #expect(FileVersion(of: path) == nil)
    }
}
