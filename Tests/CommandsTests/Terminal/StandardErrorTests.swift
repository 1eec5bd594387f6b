import Foundation
import Glibc
import Testing

@testable import Commands

@Suite(.timeLimit(.minutes(5))) struct StandardErrorTests {
    @Test func `an error is written to a stalled reader for a limited time`() throws {
        let pipe = Pipe()
        // F_SETPIPE_SZ: smaller than the line.
        try #require(fcntl(pipe.fileHandleForWriting.fileDescriptor, 1_031, Int32(4_096)) >= 4_096)
        let line = String(repeating: "z", count: 10_000)
        let start = ContinuousClock.now
        StandardError.write(line, to: pipe.fileHandleForWriting.fileDescriptor, within: .milliseconds(50))
        #expect(ContinuousClock.now - start < .seconds(20))
        let other = Pipe()
        StandardError.write(line, to: other.fileHandleForWriting.fileDescriptor, within: .seconds(30))
        try other.fileHandleForWriting.close()
        let text = String(decoding: try other.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(text == line + "\n")
    }
}
