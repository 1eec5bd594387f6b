import Foundation
import Glibc
import Testing

@testable import BridgeDaemon

@Suite(.timeLimit(.minutes(5))) struct FileVersionTests {
    /// For an editor that writes in place within one clock tick, or a program that resets the modification time.
    @Test func `a write of the same size with the same modification time is a new version`() throws {
        let path = NSTemporaryDirectory() + "sts-version-\(UUID().uuidString.prefix(8))"
        try "level = may".write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var status = stat()
        #expect(stat(path, &status) == 0)
        let before = try #require(FileVersion(of: path))
        // The kernel's clock for file times advances in steps of some milliseconds.
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

    @Test func `an unchanged file keeps its version, and a missing file has none`() throws {
        let path = NSTemporaryDirectory() + "sts-version-\(UUID().uuidString.prefix(8))"
        try "a".write(toFile: path, atomically: false, encoding: .utf8)
        #expect(FileVersion(of: path) == FileVersion(of: path))
        try FileManager.default.removeItem(atPath: path)
        #expect(FileVersion(of: path) == nil)
    }
}
