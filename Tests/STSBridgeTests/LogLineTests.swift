import Foundation
import Logging
import Testing

@testable import STSBridge

@Suite struct LogLineTests {
    private func line(_ level: Logger.Level = .warning, _ fields: [String: String] = [:]) -> LogLine {
        LogLine(time: Date(timeIntervalSince1970: 0.25), level: level, message: "policy fetch failed", fields: fields)
    }

    @Test func `text has time, level, message and the fields by name`() {
        let text = line(.info, ["reason": "HTTP status 404", "domain": "example.com"]).text(in: .text)
        #expect(
            text == #"1970-01-01T00:00:00.250Z info policy fetch failed domain=example.com reason="HTTP status 404""#)
    }

    @Test(arguments: [
        (Logger.Level.trace, 7), (.debug, 7), (.info, 6), (.notice, 5), (.warning, 4), (.error, 3), (.critical, 2),
    ])
    func `the journal gets syslog's priority, and no time`(level: Logger.Level, priority: Int) {
        #expect(
            line(level, ["domain": "d"]).text(in: .journal) == "<\(priority)>\(level) policy fetch failed domain=d")
    }

    @Test func `JSON has the same fields beside time, level and message, which no field replaces`() throws {
        let text = line(.error, ["reason": "a \"b\"", "level": "mine", "message": "mine"]).text(in: .json)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String])
        #expect(
            object == [
                "time": "1970-01-01T00:00:00.250Z", "level": "error", "message": "policy fetch failed",
                "reason": "a \"b\"",
            ])
    }

    @Test(arguments: LogFormat.allCases) func `a stranger's text cannot begin a line, nor a field`(format: LogFormat) {
        let text = line(.info, ["reason": "x\n<0>\u{1B}[2J\" domain=evil"]).text(in: format)
        #expect(!text.contains("\n"))
        #expect(!text.contains("\u{1B}"))
        #expect(!text.contains("\" domain=evil") || text.contains("\\\" domain=evil"))
    }

    @Test func `text becomes the journal's where standard error is the journal's, JSON stays`() {
        let control = LogControl(level: .info, format: .text, isJournal: true)
        #expect(control.format == .journal)
        var configuration = Configuration()
        configuration.logFormat = .json
        configuration.logLevel = .debug
        let logger = control.logger
        #expect(logger.logLevel == .info)
        control.use(configuration)
        #expect(control.format == .json)
        #expect(logger.logLevel == .debug, "loggers that were made before follow")
        #expect(LogControl(level: .info, format: .text, isJournal: false).format == .text)
    }

    @Test func `a logger's own level stays its own`() {
        let control = LogControl(level: .info, format: .text, isJournal: false)
        var quiet = control.logger
        quiet.logLevel = .error
        control.use(Configuration())
        #expect(quiet.logLevel == .error)
        #expect(control.logger.logLevel == .info)
    }

    @Test func `the journal is known by device and inode, not by the variable alone`() throws {
        let pipe = Pipe()
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        var status = stat()
        try #require(fstat(descriptor, &status) == 0)
        #expect(JournalStream.isBehind(descriptor, named: "\(status.st_dev):\(status.st_ino)"))
        for name in [nil, "", "\(status.st_dev):\(status.st_ino + 1)", "1:\(status.st_ino)"] {
            #expect(!JournalStream.isBehind(descriptor, named: name))
        }
    }
}
