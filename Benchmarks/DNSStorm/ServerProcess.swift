import Foundation
import TestSupport

/// A `FaultyDNSServer` with `DNSBehavior.byName` in a process of its own. The process ends with its standard input.
final class ServerProcess {
    struct StartError: Error {}

    let address: String
    let port: UInt16
    private let process = Process()
    private let input = Pipe()

    init(loss: Double = 0) throws {
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["serve", "\(loss)"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = UInt16(line.trimmingCharacters(in: .whitespacesAndNewlines)) else { throw StartError() }
        self.port = port
        address = "127.0.0.1@\(port)"
    }

    deinit { end() }

    /// Ends the process and returns when it is gone. Safe to call more than once.
    func end() {
        guard process.isRunning else { return }
        // Not SIGTERM, which the process ignores if a thread of libdispatch started it: such threads block signals.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// The process's main function: prints the port, and serves until standard input ends.
    static func serve(_ arguments: [String]) throws {
        let server = try FaultyDNSServer(
            loss: DNSLoss(arguments.first.flatMap(Double.init) ?? 0), behavior: DNSBehavior.byName)
        FileHandle.standardOutput.write(Data("\(server.port)\n".utf8))
        _ = FileHandle.standardInput.readDataToEndOfFile()
        server.stop()
    }
}
