import Foundation
import Testing

/// What the built command prints, and how it ends.
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
        #expect(refused.errors == "sts-bridge: \(cache) is the cache itself; name another file to write to\n")
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
            "/bin/bash", ["-c", script], environment: environment.merging(["PATH": "/usr/bin:/bin"]) { $1 })
        #expect(piped.status == 0)
        #expect(piped.output.hasSuffix("{\"policies\":0}\n"))
    }

    @Test(arguments: [
        ["nonsense"], ["query"], ["serve", "--nonsense"], ["query", "a", "b"], ["config", "check", "x"],
    ])
    func `a wrong command line is exit code 2 and says how it is written`(arguments: [String]) async throws {
        let outcome = try await Binary.run(arguments)
        #expect(outcome.status == 2)
        #expect(outcome.output == "")
        #expect(outcome.errors.contains("Usage:"))
    }

    @Test(arguments: [
        "[192.0.2.1]", "192.0.2.1", "[192.0.2.1]:587", "[IPv6:2001:db8::1]", "localhost", "[relay]:587", ".example.com",
        "a_b.example", "\u{1b}[31m", "someone@example.com", "https://example.com/", "", "example..com",
    ])
    func `a key that can have no policy is answered without any DNS, and without the daemon`(key: String) async throws {
        // The server's address is one that nobody answers at: a query would take its time and end with exit code 3.
        let outcome = try await Binary.run(
            ["query", key, "--json"], environment: ["STS_BRIDGE_DNS_SERVERS": "127.0.0.1@1"])
        #expect(outcome.status == 1)
        #expect(outcome.output.contains(#""reply" : "NOTFOUND ""#))
        #expect(!outcome.output.contains("\u{1b}"))
        // The same words from explain, with the same exit code.
        let explained = try await Binary.run(["explain", key, "--json", "--socket", "/nonexistent/admin.sock"])
        #expect(explained.status == 1)
        #expect(explained.output == outcome.output)
        #expect(explained.errors == outcome.errors)
        #expect(explained.errors.hasPrefix("sts-bridge: "))
    }

    @Test(arguments: [
        "example.com", "EXAMPLE.com.", "bücher.example", "[smtp.example.com]:587", "smtp.example.com:smtp",
    ])
    func `a key that could have a policy is asked for by both commands`(key: String) async throws {
        let environment = ["STS_BRIDGE_DNS_SERVERS": "127.0.0.1@1", "STS_BRIDGE_DNS_TIMEOUT": "1s"]
        #expect(try await Binary.run(["query", key], environment: environment).status == 3)
        #expect(try await Binary.run(["explain", key, "--socket", "/nonexistent/admin.sock"]).status == 4)
    }

    @Test func `a domain that could not be found out is exit code 3, and the servers are named`() async throws {
        let environment = ["STS_BRIDGE_DNS_SERVERS": "127.0.0.1@1", "STS_BRIDGE_DNS_TIMEOUT": "1s"]
        let outcome = try await Binary.run(["query", "example.com"], environment: environment)
        #expect(outcome.status == 3)
        #expect(outcome.output.contains("_mta-sts.example.com TXT: could not find out: "))
        #expect(outcome.output.contains("(servers 127.0.0.1@1)"))
        #expect(outcome.output.contains("rule          unknown"))
    }

    @Test func `a CA file that cannot be used stops the start and says what to do`() async throws {
        let outcome = try await Binary.run(["serve"], environment: ["STS_BRIDGE_FETCH_CA_FILE": "/nonexistent.pem"])
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("/nonexistent.pem"))
        #expect(outcome.errors.contains("fetch.ca-file"))
    }
}
