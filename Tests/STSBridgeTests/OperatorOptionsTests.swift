import Admin
import Foundation
import Glibc
import TestSupport
import Testing

@testable import STSBridge

/// How commands reach the daemon.
@Suite(.timeLimit(.minutes(5))) struct OperatorOptionsTests {
    @Test func `a daemon that hangs is exit code 4 when patience is over`() async throws {
        let path = NSTemporaryDirectory() + "sts-hung-\(UUID().uuidString.prefix(8)).sock"
        // The kernel takes connections here, and nobody looks at them.
        let listener = try bindUnixSocket(at: path)
        defer {
            close(listener)
            unlink(path)
        }
        try #require(listen(listener, 4) == 0)
        let options = try OperatorOptions.parse(["--socket", path])
        let failure = await #expect(throws: CommandFailure.self) {
            try await options.ask(patience: .milliseconds(200)) { try await $0.get(.status, as: Status.self) }
        }
        #expect(failure?.status == .unreachable)
        #expect(failure?.description == "the daemon does not answer at \(path) in time")
    }
}
