import Foundation
import Logging
import Testing

@testable import BridgeConfiguration
@testable import BridgeDaemon

@Suite struct LogLineTests {
    private func line(_ level: Logger.Level = .warning, fields: [String: String] = [:]) -> LogLine {
        LogLine(time: Date(timeIntervalSince1970: 0.25), level: level, message: "policy fetch failed", fields: fields)
    }

    @Test func `text has time, level, message and the fields sorted by name`() {
        let text = line(.info, fields: ["reason": "HTTP status 404", "domain": "example.com"]).text(in: .text)
        #expect(
            text == #"1970-01-01T00:00:00.250Z info policy fetch failed domain=example.com reason="HTTP status 404""#)
    }

    @Test(arguments: [
        (Logger.Level.trace, 7), (.debug, 7), (.info, 6), (.notice, 5), (.warning, 4), (.error, 3), (.critical, 2),
    ])
    func `the journal gets the priority of syslog, and no time`(level: Logger.Level, priority: Int) {
        #expect(
            line(level, fields: ["domain": "d"]).text(in: .journal)
                == "<\(priority)>\(level) policy fetch failed domain=d")
    }

    @Test func `JSON has the same fields, and none replaces time, level or message`() throws {
        let text = line(.error, fields: ["reason": "a \"b\"", "level": "mine", "message": "mine"]).text(in: .json)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String])
        #expect(
            object == [
                "time": "1970-01-01T00:00:00.250Z", "level": "error", "message": "policy fetch failed",
                "reason": "a \"b\"",
            ])
    }

    @Test(arguments: LogFormat.allCases) func `untrusted text cannot start a line or a field`(format: LogFormat) {
        let text = line(.info, fields: ["reason": "x\n<0>\u{1B}[2J\" domain=evil"]).text(in: format)
        #expect(!text.contains("\n"))
        #expect(!text.contains("\u{1B}"))
        #expect(!text.contains("\" domain=evil") || text.contains("\\\" domain=evil"))
    }

    @Test func `text becomes journal if standard error is connected to the journal, JSON stays`() {
        let control = LogControl(level: .info, format: .text, isJournal: true)
        #expect(control.format == .journal)
        var configuration = Configuration()
        configuration.logFormat = .json
        configuration.logLevel = .debug
        let logger = control.logger
        #expect(logger.logLevel == .info)
        control.update(configuration)
        #expect(control.format == .json)
        #expect(logger.logLevel == .debug, "existing loggers change too")
        #expect(LogControl(level: .info, format: .text, isJournal: false).format == .text)
    }

    @Test func `the own level of a logger does not change`() {
        let control = LogControl(level: .info, format: .text, isJournal: false)
        var quiet = control.logger
        quiet.logLevel = .error
        control.update(Configuration())
        #expect(quiet.logLevel == .error)
        #expect(control.logger.logLevel == .info)
    }

    @Test func `the journal is detected by device and inode, not by the variable alone`() throws {
        let pipe = Pipe()
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        var status = stat()
        try #require(fstat(descriptor, &status) == 0)
        #expect(JournalStream.isConnected(descriptor, named: "\(status.st_dev):\(status.st_ino)"))
        for name in [nil, "", "\(status.st_dev):\(status.st_ino + 1)", "1:\(status.st_ino)"] {
            #expect(!JournalStream.isConnected(descriptor, named: name))
        }
    }
}
