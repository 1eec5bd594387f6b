import Foundation
import Testing

/// What the process does not take from its environment.
@Suite(.timeLimit(.minutes(5))) struct EnvironmentTests {
    /// libcurl opens the file when it is initialised, as `config check` does that makes a fetcher.
    @Test func `libcurl writes no keys of TLS connections to a file that the environment names`() async throws {
        let path = NSTemporaryDirectory() + "sts-keys-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let outcome = try await Binary.run(
            ["config", "check"], yaml: "cache: {store: memory}\n",
            environment: ["PATH": "/usr/bin:/bin", "SSLKEYLOGFILE": path]
        ).outcome
        #expect(outcome.output == "configuration ok\n")
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
