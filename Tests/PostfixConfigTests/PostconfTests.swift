import Foundation
import PostfixConfig
import Testing

/// The real postconf(1), and fake programs that misbehave. Serialized: a file that a forked process still has open for
/// writing cannot be executed.
@Suite(.serialized, .timeLimit(.minutes(5))) struct PostconfTests {
    @Test func `the Postfix of this host is found with its version`() throws {
        let path = try #require(Postconf.find(searchPath: ""))
        #expect(try Postconf(path: path).profile().release != nil)
    }

    @Test func `main cf is read as Postfix reads it`() throws {
        let path = try #require(Postconf.find(searchPath: ""))
        try Self.inDirectory { directory in
            let settings = "smtp_tls_security_level = $mine\nmine = encrypt\nsmtp_dns_support_level = dnssec\n"
            try settings.write(toFile: directory + "/main.cf", atomically: true, encoding: .utf8)
            let postfix = try Postconf(path: path, configurationDirectory: directory).profile()
            #expect(postfix.securityLevel == .other("encrypt"))
            #expect(postfix.validatesDNS)
        }
    }

    @Test func `postconf runs for a service only if its overrides may change something`() throws {
        try Self.inDirectory { directory in
            // Prints main.cf and master.cf of the directory, and records each run.
            let fake = Postconf(
                path: try Self.program(
                    """
                    echo "$*" >> \(directory)/runs
                    case "$1" in
                        -Mx) cat \(directory)/master ;;
                        -x) cat \(directory)/expanded ;;
                        *) cat \(directory)/main ;;
                    esac
                    """, in: directory))
            func runs(main: String, overrides: String) throws -> [String] {
                let main = "mail_version = 3.7.11\nsmtp_tls_security_level = \(main)\n"
                for (name, text) in [
                    ("main", main), ("expanded", main), ("runs", ""),
                    ("master", "smtp unix - - y - - smtp\nrelay unix - - y - - smtp \(overrides)\n"),
                ] {
                    try text.write(toFile: directory + "/" + name, atomically: true, encoding: .utf8)
                }
                _ = try fake.configuration(["smtp_tls_security_level"])
                return try String(contentsOfFile: directory + "/runs", encoding: .utf8).split(separator: "\n")
                    .map(String.init).sorted()
            }
            let (main, master) = ("smtp_tls_security_level", "-Mx")
            let unrelated = try runs(main: "may", overrides: "-o syslog_name=relay")
            #expect(unrelated == [master, main])
            let asked = try runs(main: "may", overrides: "-o smtp_tls_security_level=encrypt")
            #expect(asked == [master, "-x -o smtp_tls_security_level=encrypt \(main)", main])
            let referring = try runs(main: "$mine", overrides: "-o mine=dane")
            #expect(referring == [master, "-x -o mine=dane \(main)", "-x \(main)", main])
            let withoutOverrides = try runs(main: "$mine", overrides: "")
            #expect(withoutOverrides == [master, "-x \(main)", main])
        }
    }

    @Test(arguments: [
        ("smtp_tls_security_level = may", "-o syslog_name=relay", ["may", "may"]),
        ("smtp_tls_security_level = may", "-o smtp_tls_security_level=dane", ["may", "dane"]),
        ("smtp_tls_security_level = $mine\nmine = may", "-o mine=dane", ["may", "dane"]),
        ("smtp_tls_security_level = $mine\nmine = may", "-o smtp_tls_security_level=$mine", ["may", "may"]),
    ])
    func `a service sees main cf with its own overrides`(main: String, overrides: String, levels: [String]) throws {
        let path = try #require(Postconf.find(searchPath: ""))
        try Self.inDirectory { directory in
            try "\(main)\n".write(toFile: directory + "/main.cf", atomically: true, encoding: .utf8)
            try "smtp unix - - y - - smtp\nrelay unix - - y - - smtp \(overrides)\n"
                .write(toFile: directory + "/master.cf", atomically: true, encoding: .utf8)
            let profile = try Postconf(path: path, configurationDirectory: directory).profile()
            #expect(profile.services.map(\.securityLevel.text) == levels)
        }
    }

    @Test func `an error of postconf is reported`() throws {
        let path = try #require(Postconf.find(searchPath: ""))
        let error = #expect(throws: PostconfError.self) {
            try Postconf(path: path, configurationDirectory: "/nonexistent").profile()
        }
        #expect("\(try #require(error))".contains("/nonexistent/main.cf: No such file or directory"))
    }

    @Test func `packages' directories come first, and relative ones are ignored`() throws {
        try Self.inDirectory { directory in
            let path = directory + "/postconf"
            #expect(Postconf.find(searchPath: directory, after: []) == nil)
            // A directory of that name, or a file without execute permission, is no program.
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            #expect(Postconf.find(searchPath: directory, after: []) == nil)
            try FileManager.default.removeItem(atPath: path)
            _ = try Self.program("exit 0", in: directory)
            #expect(Postconf.find(searchPath: "/nonexistent::\(directory)", after: []) == path)
            #expect(Postconf.find(searchPath: "/usr/sbin", after: ["/nonexistent", directory]) == path)
            let up = String(repeating: "../", count: 64).dropLast()
            #expect(Postconf.find(searchPath: up + directory, after: []) == nil)
        }
    }

    @Test func `a program that hangs is killed in time with its child processes`() throws {
        try Self.inDirectory { directory in
            let path = try Self.program("sleep 60 & echo $! > \(directory)/pid; wait", in: directory)
            let start = ContinuousClock.now
            #expect(throws: PostconfError.timedOut) {
                try Postconf(path: path, timeLimit: .milliseconds(500)).profile()
            }
            #expect(ContinuousClock.now - start < .seconds(20))
            let text = try String(contentsOfFile: directory + "/pid", encoding: .utf8)
            let child = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
            #expect(Self.isGone(child))
        }
    }

    @Test func `a program that closes its output and does not end is killed too`() throws {
        try Self.inDirectory { directory in
            let path = try Self.program("exec sleep 60 >&- 2>&-", in: directory)
            #expect(throws: PostconfError.timedOut) {
                try Postconf(path: path, timeLimit: .milliseconds(500)).profile()
            }
        }
    }

    @Test(arguments: ["", " >&2"])
    func `endless output is an error`(stream: String) throws {
        try Self.inDirectory { directory in
            let path = try Self.program(
                "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\(stream); done", in: directory)
            #expect(throws: PostconfError.tooMuchOutput) { try Postconf(path: path, timeLimit: .seconds(30)).profile() }
        }
    }

    @Test func `a status or signal is reported with the last line, escaped`() throws {
        try Self.inDirectory { directory in
            let words = try Self.program("echo first >&2; printf 'last \\033[31m\\n' >&2; exit 3", in: directory)
            #expect(throws: PostconfError.failed(status: 3, lastLine: #"last \x1B[31m"#)) {
                try Postconf(path: words).profile()
            }
            let killed = try Self.program("kill -9 $$", in: directory)
            #expect(throws: PostconfError.failed(status: 137, lastLine: "")) { try Postconf(path: killed).profile() }
        }
    }

    @Test func `a missing program cannot be run`() {
        #expect(throws: PostconfError.system(ENOENT)) { try Postconf(path: "/nonexistent/postconf").profile() }
    }

    // MARK: Fake programs

    private static func inDirectory(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sts-postconf-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(directory)
    }

    /// Creates a new inode each time: a file that is open for writing cannot be executed.
    private static func program(_ script: String, in directory: String) throws -> String {
        let path = directory + "/postconf"
        try "#!/bin/sh\n\(script)\n".write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    /// Whether the process has ended; a zombie counts. After SIGKILL a process may take some time to end.
    private static func isGone(_ process: pid_t) -> Bool {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
            guard let status else { return true }
            if status.split(separator: " ").dropFirst(2).first == "Z" { return true }
            usleep(1_000)
        }
        return false
    }
}
