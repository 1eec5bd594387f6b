import Foundation
import Glibc
import Metrics
import Synchronization
import Testing

@testable import BridgeDaemon

/// The log over a real pipe. Each test controls the reader.
@Suite(.timeLimit(.minutes(5))) struct LogWriterTests {
    /// The size of a small pipe in octets.
    private static let pipeSize: Int32 = 4_096

    private func smallPipe() throws -> Pipe {
        let pipe = Pipe()
        // F_SETPIPE_SZ
        try #require(fcntl(pipe.fileHandleForWriting.fileDescriptor, 1_031, Self.pipeSize) >= Self.pipeSize)
        return pipe
    }

    private func writer(_ pipe: Pipe, maximumOctets: Int, onDrop: @escaping @Sendable () -> Void = {}) -> LogWriter {
        LogWriter(
            to: pipe.fileHandleForWriting.fileDescriptor, queue: LogQueue(maximumOctets: maximumOctets),
            report: { Array("dropped \($0)\n".utf8) }, onDrop: onDrop)
    }

    /// Reads the pipe to its end.
    private func lines(_ pipe: Pipe) throws -> [String] {
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        return text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
    }

    @Test func `a stalled reader blocks no writer, and later reads whole lines and the number of dropped ones`() throws
    {
        let pipe = try smallPipe()
        let dropped = Mutex(0)
        let writer = writer(pipe, maximumOctets: 20_000) { dropped.withLock { $0 += 1 } }
        let count = 1_000
        for number in 0..<count { writer.write(Array("line \(number) \(String(repeating: "x", count: 90))\n".utf8)) }
        let lost = dropped.withLock(\.self)
        #expect(lost > 500, "the pipe and the queue hold some 240 lines")
        let reader = PipeReader(pipe)
        writer.write(Array("last\n".utf8))
        writer.close(within: .seconds(30))
        let lines = try reader.finish()
        let whole = lines.filter { $0.hasPrefix("line ") }
        #expect(whole.allSatisfy { $0.hasSuffix(String(repeating: "x", count: 90)) })
        #expect(whole.count == count - lost)
        let reported = lines.filter { $0.hasPrefix("dropped ") }.compactMap { Int($0.dropFirst(8)) }.reduce(0, +)
        #expect(reported == dropped.withLock(\.self))
    }

    @Test func `a line longer than the pipe arrives whole, from a descriptor that does not block`() throws {
        let pipe = try smallPipe()
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        try #require(fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0)
        let writer = writer(pipe, maximumOctets: 1_000_000)
        let long = String(repeating: "y", count: 300_000)
        writer.write(Array("\(long)\n".utf8))
        writer.write(Array("after\n".utf8))
        let reader = PipeReader(pipe)
        writer.close(within: .seconds(30))
        #expect(try reader.finish() == [long, "after"])
    }

    @Test func `a stop does not wait forever for a stalled reader`() throws {
        let pipe = try smallPipe()
        let writer = writer(pipe, maximumOctets: 100_000)
        writer.write([UInt8](repeating: UInt8(ascii: "z"), count: 50_000))
        let start = ContinuousClock.now
        writer.close(within: .milliseconds(100))
        #expect((.milliseconds(100) ... .seconds(20)).contains(.now - start))
        let reader = PipeReader(pipe)
        // The descriptor must not be closed while the thread still writes to it.
        writer.flush(within: .seconds(30))
        #expect(try reader.finish().map(\.count) == [50_000])
    }

    @Test func `lines without a reader are counted as dropped`() throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = try smallPipe()
        try pipe.fileHandleForReading.close()
        let dropped = Mutex(0)
        let writer = writer(pipe, maximumOctets: 100_000) { dropped.withLock { $0 += 1 } }
        for _ in 0..<3 { writer.write(Array("line\n".utf8)) }
        writer.close(within: .seconds(30))
        #expect(dropped.withLock(\.self) == 3)
    }

    @Test func `the number of lost lines follows after a full disk`() throws {
        let pipe = Pipe()
        let descriptor = open("/dev/full", O_WRONLY)
        defer { close(descriptor) }
        let dropped = Mutex(0)
        let writer = LogWriter(
            to: descriptor, report: { Array("dropped \($0)\n".utf8) }, onDrop: { dropped.withLock { $0 += 1 } })
        for _ in 0..<3 { writer.write(Array("line\n".utf8)) }
        writer.flush(within: .seconds(30))
        writer.write(Array("line\n".utf8))
        writer.flush(within: .seconds(30))
        #expect(dropped.withLock(\.self) == 4)
        dup2(pipe.fileHandleForWriting.fileDescriptor, descriptor)
        writer.write(Array("after\n".utf8))
        writer.close(within: .seconds(30))
        dup2(open("/dev/null", O_WRONLY), descriptor)
        #expect(try lines(pipe) == ["dropped 4", "after"])
    }

    @Test func `a line that was cut short does not run into the next`() throws {
        signal(SIGPIPE, SIG_IGN)
        let (broken, next) = (try smallPipe(), Pipe())
        let descriptor = dup(broken.fileHandleForWriting.fileDescriptor)
        defer { close(descriptor) }
        try broken.fileHandleForWriting.close()
        let writer = LogWriter(to: descriptor, report: { Array("dropped \($0)\n".utf8) })
        writer.write(Array("\(String(repeating: "y", count: 300_000))\n".utf8))
        // The writer writes a part of the line before the reader closes.
        _ = try broken.fileHandleForReading.read(upToCount: 1)
        try broken.fileHandleForReading.close()
        writer.flush(within: .seconds(30))
        dup2(next.fileHandleForWriting.fileDescriptor, descriptor)
        writer.write(Array("after\n".utf8))
        writer.close(within: .seconds(30))
        dup2(open("/dev/null", O_WRONLY), descriptor)
        try next.fileHandleForWriting.close()
        let text = String(decoding: try next.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(text == "\ndropped 1\nafter\n")
    }

    @Test func `lines are dropped after the close, and none before it`() throws {
        let pipe = Pipe()
        let control = LogControl(
            level: .info, format: .journal, isJournal: false, descriptor: pipe.fileHandleForWriting.fileDescriptor)
        for number in 0..<200 { control.logger.notice("stopped", metadata: ["number": "\(number)"]) }
        control.close()
        control.logger.notice("stopped", metadata: ["number": "late"])
        #expect(try lines(pipe) == (0..<200).map { "<5>notice stopped number=\($0)" })
    }
}

/// Reads a pipe to its end, on its own thread.
private final class PipeReader: Sendable {
    private let data = Mutex(Data())
    private let done = DispatchSemaphore(value: 0)
    private let writingEnd: FileHandle

    init(_ pipe: Pipe) {
        writingEnd = pipe.fileHandleForWriting
        let reader = pipe.fileHandleForReading
        Thread { [self] in
            while let more = try? reader.read(upToCount: 4_096), !more.isEmpty { data.withLock { $0.append(more) } }
            done.signal()
        }.start()
    }

    /// Closes the writing end and returns all lines.
    func finish() throws -> [String] {
        try writingEnd.close()
        done.wait()
        let text = data.withLock { String(decoding: $0, as: UTF8.self) }
        return text.split(separator: "\n").map(String.init)
    }
}
