import Foundation
import Testing

/// The output and the exit codes of the built command.
@Suite(.timeLimit(.minutes(5))) struct CommandLineTests {
    @Test func `the version and the help are results`() async throws {
        let version = try await Binary.run(["--version"])
        #expect(version.status == 0)
        #expect(version.output == "0.1.0\n")
        for arguments in [["--help"], ["serve", "--help"], ["query", "--help"], ["config", "--help"]] {
            let help = try await Binary.run(arguments)
            #expect(help.status == 0)
            #expect(help.output.contains("USAGE:"))
        }
    }

    @Test func `an export replaces neither the cache nor a pipe`() async throws {
        let directory = NSTemporaryDirectory() + "sts-export-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let cache = directory + "/policies.sqlite"
        let environment = ["STS_BRIDGE_CACHE_PATH": cache]
        let export = directory + "/empty.jsonl"
        try #"{"exported-at":"2026-11-21T07:00:00Z","format":"sts-bridge-policies","version":1}"#
            .appending("\n{\"policies\":0}\n").write(toFile: export, atomically: false, encoding: .utf8)
        let made = try await Binary.run(["cache", "import", export], environment: environment)
        #expect(made.status == 0, "\(made.errors)")
        let before = FileManager.default.contents(atPath: cache)
        let refused = try await Binary.run(["cache", "export", cache], environment: environment)
        #expect(refused.status == 2)
        #expect(refused.errors == "sts-bridge: \(cache) is the cache file; choose another file for the export\n")
        #expect(FileManager.default.contents(atPath: cache) == before)
        for (command, verb) in [("export", "write"), ("import", "read")] {
            let nowhere = try await Binary.run(["cache", command, directory + "/none/x"], environment: environment)
            #expect(nowhere.status == 2)
            #expect(
                nowhere.errors == "sts-bridge: cannot \(verb) \(directory)/none/x: No such file or directory\n")
        }
        let script =
            "mkfifo \(directory)/pipe; cat \(directory)/pipe & \(Binary.url.path) cache export \(directory)/pipe; wait; test -p \(directory)/pipe"
        let piped = try await Binary.run(
            "/bin/bash", arguments: ["-c", script], environment: environment.merging(["PATH": "/usr/bin:/bin"]) { $1 })
        #expect(piped.status == 0)
        #expect(piped.output.hasSuffix("{\"policies\":0}\n"))
    }

    @Test(arguments: [
        ["nonsense"], ["query"], ["serve", "--nonsense"], ["query", "a", "b"], ["config", "check", "x"],
    ])
    func `a wrong command line is exit code 2 and prints the usage`(arguments: [String]) async throws {
        let outcome = try await Binary.run(arguments)
        #expect(outcome.status == 2)
        #expect(outcome.output == "")
        #expect(outcome.errors.contains("Usage:"))
    }

    @Test(arguments: [
        "[192.0.2.1]", "192.0.2.1", "[192.0.2.1]:587", "[IPv6:2001:db8::1]", "localhost", "[relay]:587", ".example.com",
        "a_b.example", "\u{1b}[31m", "someone@example.com", "https://example.com/", "", "example..com",
    ])
    func `a key that cannot have a policy needs neither DNS nor the daemon`(key: String) async throws {
        // No server listens at this address: a DNS query would time out and end with exit code 3.
        let outcome = try await Binary.run(
            ["query", key, "--json"], environment: ["STS_BRIDGE_DNS_SERVERS": "127.0.0.1@1"])
        #expect(outcome.status == 1)
        #expect(outcome.output.contains(#""reply" : "NOTFOUND ""#))
        #expect(!outcome.output.contains("\u{1b}"))
        // `explain` prints the same with the same exit code.
        let explained = try await Binary.run(["explain", key, "--json", "--socket", "/nonexistent/admin.sock"])
        #expect(explained.status == 1)
        #expect(explained.output == outcome.output)
        #expect(explained.errors == outcome.errors)
        #expect(explained.errors.hasPrefix("sts-bridge: "))
    }

    @Test(arguments: [
        "example.com", "EXAMPLE.com.", "bücher.example", "[smtp.example.com]:587", "smtp.example.com:smtp",
    ])
    func `both commands look up a key that can have a policy`(key: String) async throws {
        let environment = ["STS_BRIDGE_DNS_SERVERS": "127.0.0.1@1", "STS_BRIDGE_DNS_TIMEOUT": "1s"]
        #expect(try await Binary.run(["query", key], environment: environment).status == 3)
        #expect(try await Binary.run(["explain", key, "--socket", "/nonexistent/admin.sock"]).status == 4)
    }

    @Test func `a failed lookup is exit code 3, and the output names the servers`() async throws {
        let environment = ["STS_BRIDGE_DNS_SERVERS": "127.0.0.1@1", "STS_BRIDGE_DNS_TIMEOUT": "1s"]
        let outcome = try await Binary.run(["query", "example.com"], environment: environment)
        #expect(outcome.status == 3)
        #expect(outcome.output.contains("_mta-sts.example.com TXT: could not find out: "))
        #expect(outcome.output.contains("(servers 127.0.0.1@1)"))
        #expect(outcome.output.contains("rule          unknown"))
    }

    @Test func `with an unusable CA file the daemon does not start, and names the key`() async throws {
        let outcome = try await Binary.run(["serve"], environment: ["STS_BRIDGE_FETCH_CA_FILE": "/nonexistent.pem"])
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("/nonexistent.pem"))
        #expect(outcome.errors.contains("fetch.ca-file"))
    }

    /// libcurl opens the file when it is initialised, and `config check` initialises it.
    @Test func `libcurl ignores SSLKEYLOGFILE and writes no TLS keys to a file`() async throws {
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
