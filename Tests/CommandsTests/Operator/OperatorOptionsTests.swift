import AdminAPI
import Foundation
import Glibc
import Testing
import TestSupport

@testable import Commands

/// How commands connect to the daemon.
@Suite(.timeLimit(.minutes(5))) struct OperatorOptionsTests {
    @Test func `a daemon that hangs is exit code 4 after the timeout`() async throws {
        let path = NSTemporaryDirectory() + "sts-hung-\(UUID().uuidString.prefix(8)).sock"
        // The kernel accepts connections here, and no process reads them.
        let listener = try bindUnixSocket(at: path)
        defer {
            close(listener)
            unlink(path)
        }
        try #require(listen(listener, 4) == 0)
        let options = try OperatorOptions.parse(["--socket", path])
        let failure = await #expect(throws: CommandError.self) {
            try await options.request(timeout: .milliseconds(200)) {
                try await $0.get(.status, as: StatusResponse.self)
            }
        }
        #expect(failure?.status == .unreachable)
        #expect(failure?.description == "the daemon did not answer at \(path) in time; see its log")
    }
}

@Suite struct ReloadCommandTests {
    @Test func `the output names changed keys, changed Postfix settings and keys that need a restart`() {
        let settings = [ChangedSetting(name: "dane", from: "off", to: "on")]
        #expect(
            ReloadCommand.text(
                of: ReloadResponse(changed: ["log.level"], changedSettings: settings, needsRestart: ["cache.path"]))
                == "log.level is in force\ndane: on, was off\ncache.path needs a restart")
        #expect(ReloadCommand.text(of: ReloadResponse(changed: [])) == "nothing has changed")
    }
}
