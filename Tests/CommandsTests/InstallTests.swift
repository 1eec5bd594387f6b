import Foundation
import Testing

/// `make install` and `make uninstall`, into a directory.
@Suite(.timeLimit(.minutes(5))) struct InstallTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func withInstallation(
        prefix: String = "/usr", _ body: (String) async throws -> Void
    ) async throws {
        let directory = NSTemporaryDirectory() + "sts-install-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await make("install", into: directory, prefix: prefix)
        try await body(directory)
    }

    private func make(_ target: String, into directory: String, prefix: String = "/usr") async throws {
        let outcome = try await Binary.run(
            "/usr/bin/make",
            arguments: [
                "-C", Self.root.path, target, "DESTDIR=\(directory)", "PREFIX=\(prefix)", "BINARY=\(Binary.url.path)",
            ], environment: ["PATH": "/usr/bin:/bin"])
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    private func files(_ directory: String) throws -> [String] {
        let all = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
        var isDirectory: ObjCBool = false
        return all.filter {
            FileManager.default.fileExists(atPath: directory + "/" + $0, isDirectory: &isDirectory)
                && !isDirectory.boolValue
        }.sorted()
    }

    @Test func `all files are installed and readable by all, and no others`() async throws {
        try await withInstallation { directory in
            let files = try files(directory)
            let doc = "usr/share/doc/sts-bridge/"
            let expected: Set = [
                "usr/bin/sts-bridge", "usr/share/man/man8/sts-bridge.8", "usr/share/man/man5/sts-bridge.yaml.5",
                "usr/share/bash-completion/completions/sts-bridge", "usr/share/zsh/site-functions/_sts-bridge",
                "usr/share/fish/vendor_completions.d/sts-bridge.fish", doc + "config.yaml", doc + "README.md",
                doc + "ARCHITECTURE.md", doc + "CHANGELOG.md", doc + "CONTRIBUTING.md", doc + "SECURITY.md",
                doc + "LICENSE", doc + "Documentation/logs.md", doc + "postfix/main.cf-3.4-to-3.9",
                doc + "postfix/main.cf-3.10-and-later", "usr/lib/systemd/system/sts-bridge.service",
                "usr/lib/systemd/system/sts-bridge.socket", "usr/lib/sysusers.d/sts-bridge.conf",
                "usr/lib/tmpfiles.d/sts-bridge.conf",
            ]
            #expect(expected.subtracting(files) == [])
            let others = Set(files).subtracting(expected)
            #expect(others.filter { !$0.hasPrefix(doc + "Documentation/") && !$0.hasPrefix(doc + "postfix/") } == [])
            for file in files {
                let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/" + file)
                #expect((attributes[.size] as? NSNumber)?.intValue ?? 0 > 0, "\(file)")
                let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue
                #expect(mode == (file == "usr/bin/sts-bridge" ? 0o755 : 0o644), "\(file)")
            }
        }
    }

    @Test func `the unit starts and reloads the installed program`() async throws {
        try await withInstallation(prefix: "/opt/mail") { directory in
            let unit = try String(
                contentsOfFile: directory + "/opt/mail/lib/systemd/system/sts-bridge.service", encoding: .utf8)
            let commands = unit.split(separator: "\n").filter { $0.hasPrefix("Exec") }
            #expect(
                commands == [
                    "ExecStart=/opt/mail/bin/sts-bridge serve", "ExecReload=/opt/mail/bin/sts-bridge reload",
                ])
        }
    }

    @Test func `systemd does not restart the daemon after an invalid configuration`() throws {
        let unit = try String(
            contentsOf: Self.root.appending(path: "systemd/sts-bridge.service"), encoding: .utf8)
        let lines = unit.split(separator: "\n")
        #expect(lines.contains("Restart=on-failure"))
        #expect(lines.contains("RestartPreventExitStatus=2"))
    }

    @Test func `systemd starts the daemon when the network is online, and before Postfix`() throws {
        let unit = try String(
            contentsOf: Self.root.appending(path: "systemd/sts-bridge.service"), encoding: .utf8)
        func values(_ name: String) -> Set<Substring> {
            Set(
                unit.split(separator: "\n").filter { $0.hasPrefix(name + "=") }.flatMap {
                    $0.dropFirst(name.count + 1).split(separator: " ")
                })
        }
        #expect(values("Wants").contains("network-online.target"))
        #expect(values("After").isSuperset(of: ["network-online.target", "time-sync.target"]))
        #expect(values("Before").contains("postfix.service"))
    }

    @Test func `make uninstall removes exactly the installed files`() async throws {
        try await withInstallation { directory in
            let foreign = ["usr/share/doc/sts-bridge/Documentation/mine", "usr/share/man/man8/other.8"]
            for file in foreign { try Data("x".utf8).write(to: URL(filePath: directory + "/" + file)) }
            try await make("uninstall", into: directory)
            #expect(try files(directory) == foreign)
            try FileManager.default.removeItem(atPath: directory + "/" + foreign[0])
            try await make("uninstall", into: directory)
            #expect(!FileManager.default.fileExists(atPath: directory + "/usr/share/doc/sts-bridge"))
        }
    }

    @Test(arguments: [
        ("/bin/bash", "usr/share/bash-completion/completions/sts-bridge"),
        ("/usr/bin/zsh", "usr/share/zsh/site-functions/_sts-bridge"),
        ("/usr/bin/fish", "usr/share/fish/vendor_completions.d/sts-bridge.fish"),
    ])
    func `each shell can read its completions`(shell: String, script: String) async throws {
        try await withInstallation { directory in
            let outcome = try await Binary.run(shell, arguments: ["-n", directory + "/" + script])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.errors == "")
        }
    }

    @Test(arguments: [
        ("sts-bridge q", "query"), ("sts-bridge cache exp", "export"), ("sts-bridge query --js", "--json"),
    ])
    func `bash completes commands and options`(line: String, word: String) async throws {
        try await withInstallation { directory in
            let words = line.split(separator: " ").map { "'\($0)'" }.joined(separator: " ")
            let script = """
                shopt -s extglob
                source \(directory)/usr/share/bash-completion/completions/sts-bridge
                COMP_WORDS=(\(words)); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE='\(line)'; COMP_POINT=${#COMP_LINE}
                _sts-bridge sts-bridge "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
                printf '%s\\n' "${COMPREPLY[@]}"
                """
            let outcome = try await Binary.run(
                "/bin/bash", arguments: ["-c", script], environment: ["PATH": "/usr/bin:/bin"])
            #expect(outcome.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) } == [word])
        }
    }

    @Test func `without a binary nothing is installed, and the error names the solution`() async throws {
        let outcome = try await Binary.run(
            "/usr/bin/make",
            arguments: ["-C", Self.root.path, "install", "DESTDIR=/nonexistent", "BINARY=/nonexistent/sts-bridge"],
            environment: ["PATH": "/usr/bin:/bin"])
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("/nonexistent/sts-bridge is not there: make build first"))
    }
}
