import Foundation
import Testing

extension EndToEnd {
    /// The operator's commands, against the running daemon.
    @Suite struct Operator {
        /// Domains for the commands to show: an enforced policy, one in testing, no policy, and a failing host.
        static func prepare(_ label: String, in network: TestNetwork) async throws -> [String] {
            let names = ["good", "testing", "plain", "broken"].map { "\($0).\(label).example" }
            try await network.publish(
                TestDomain(names[0], policy: Policy.enforce()), TestDomain(names[1], policy: Policy.testing()),
                .plain(names[2]),
                TestDomain(names[3]).with { $0.policyHost?.certificate = .expired(["mta-sts.\(names[3])"]) })
            for name in names { _ = try await SocketmapClient.ask(name) }
            return names
        }

        /// Each command that changes nothing, with texts that its output must contain.
        static func looks(at names: [String], label: String) -> [(
            arguments: [String], status: Int32, shown: [String]
        )] {
            [
                (["status"], 0, ["up since", "socketmap 127.0.0.1:8461", KnotServer.address, names[3], "expired"]),
                (["cache", "list", label], 0, ["DOMAIN", "enforce", "testing", "no-policy", "unknown", names[0]]),
                (["cache", "show", names[0]], 0, ["enforce, id 1, max_age 604800 s (7d)", MXHost.good.name, "in 7d"]),
                (["explain", names[0]], 0, ["OK \(secureText)", "enforce (RFC 8461 §5)", "Last lookups"]),
                (
                    ["explain", names[0], "--live"], 0,
                    ["Fresh discovery", PolicyHost.usual, "the cached policy is the published one"]
                ),
                (["explain", names[2]], 1, ["NOTFOUND", "no-policy (RFC 8461 §3.1)"]),
                (["explain", names[3]], 3, ["unknown (RFC 8461 §3.3)", "sts-webpki-invalid", "Last failures"]),
                (["explain", names[3], "--live"], 3, ["Differences", "the fresh discovery could not find out more"]),
                (["exempt", "list"], 0, ["no domain is exempted"]),
                (["pin", "list"], 0, ["no domain is pinned"]),
                (["query", names[2]], 1, ["_mta-sts.\(names[2]) TXT", "no-policy", "NOTFOUND"]),
                (["observe"], 0, ["observe mode is off"]),
            ]
        }

        private static let secureText = "secure match=\(MXHost.good.name) servername=hostname"

        @Test func `in a pipe each command prints plain text with full values, and has its exit code`() async throws {
            let network = try TestNetwork.running
            let names = try await Self.prepare("piped", in: network)
            for look in Self.looks(at: names, label: "piped") {
                let (status, output) = try await network.bridge.command(look.arguments)
                #expect(status == look.status, "\(look.arguments): \(output)")
                for text in look.shown {
                    #expect(output.contains(text), "\(look.arguments) without \(text):\n\(output)")
                }
                #expect(!output.contains("\u{1B}"), "\(look.arguments)")
                #expect(!output.contains("…"), "\(look.arguments) cuts in a pipe:\n\(output)")
            }
            let list = try await network.bridge.command("cache", "list", "piped", "--sort", "domain").output
            #expect(
                list.split(separator: "\n").dropFirst().map { $0.prefix { $0 != " " } }.map(String.init)
                    == names.sorted())
        }

        @Test(arguments: [80, 160])
        func `on a terminal each command fits it, in colour`(columns: Int) async throws {
            let network = try TestNetwork.running
            let label = "tty\(columns)"
            let names = try await Self.prepare(label, in: network)
            var isColoured = false
            for look in Self.looks(at: names, label: label) {
                let (status, screen) = try await PseudoTerminal(columns: columns)
                    .run(
                        BridgeProcess.binary(),
                        arguments: look.arguments + ["--config", network.bridge.configurationPath])
                #expect(status == look.status, "\(look.arguments): \(screen)")
                let text = screen.withoutEscapes
                for line in text.split(separator: "\n") where line.contains(" ") {
                    // A word that may have to be copied is never cut, so it alone may be longer.
                    let longest = line.split(separator: " ").map(\.count).max() ?? 0
                    #expect(line.count <= max(columns, 14 + longest), "\(look.arguments):\n\(line)")
                }
                isColoured = isColoured || screen.contains("\u{1B}[32m")
                if columns == 160 {
                    // Where a sentence wraps is not the matter here.
                    let flat = text.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
                    for shown in look.shown {
                        #expect(flat.contains(shown), "\(look.arguments) without \(shown):\n\(text)")
                    }
                }
            }
            #expect(isColoured)
        }

        @Test func `NO_COLOR, a dumb terminal and COLUMNS have an effect`() async throws {
            let network = try TestNetwork.running
            let names = try await Self.prepare("dumb", in: network)
            let arguments = ["explain", names[0], "--config", network.bridge.configurationPath]
            for environment in [["NO_COLOR": "1"], ["TERM": "dumb"]] {
                let screen = try await PseudoTerminal(columns: 80, environment: environment)
                    .run(BridgeProcess.binary(), arguments: arguments).screen
                #expect(!screen.contains("\u{1B}"), "\(environment)")
            }
            let narrow = try await PseudoTerminal(columns: 160, environment: ["COLUMNS": "60", "NO_COLOR": "1"])
                .run(BridgeProcess.binary(), arguments: arguments).screen
            let lines = narrow.split(separator: "\n").filter { $0.hasPrefix("reason ") || $0.hasPrefix("record ") }
            #expect(!lines.isEmpty && lines.allSatisfy { $0.count <= 60 }, "\(narrow)")
        }

        @Test func `each command prints JSON that a program can read`() async throws {
            let network = try TestNetwork.running
            let names = try await Self.prepare("json", in: network)
            for look in Self.looks(at: names, label: "json") where !look.arguments.starts(with: ["cache", "list"]) {
                let (status, output) = try await network.bridge.command(look.arguments + ["--json"])
                #expect(status == look.status)
                #expect(throws: Never.self, "\(output)") {
                    try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
                }
            }
            for arguments in [["cache", "list", "json"], ["cache", "list", "json", "--all"]] {
                let lines = try await network.bridge.command(arguments + ["--json"]).output.split(separator: "\n")
                let domains = try lines.map { line in
                    try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])["domain"]
                        as? String
                }
                #expect(domains.compactMap(\.self).sorted() == names.sorted())
            }
        }

        @Test(arguments: [["config", "print"], ["cache", "list"], ["cache", "list", "--json"]])
        func `output that cannot be written is an error, and without a reader a command ends by SIGPIPE`(
            arguments: [String]
        ) async throws {
            let network = try TestNetwork.running
            _ = try await Self.prepare("unread", in: network)
            let command = try [BridgeProcess.binary()] + arguments + ["--config", network.bridge.configurationPath]
            let full = try await ChildProcess.run(
                "/bin/bash", arguments: ["-c", "exec \"$0\" \"$@\" > /dev/full"] + command)
            #expect(full.status == 3)
            #expect(full.output == "sts-bridge: standard output: No space left on device\n")
            // A pipe whose reader has gone before anything is written.
            let unread = """
                pipe=$(mktemp -u) && mkfifo "$pipe" && exec 3<>"$pipe" 4>"$pipe" 3<&- && rm "$pipe"
                "$0" "$@" >&4
                """
            let (status, output) = try await ChildProcess.run("/bin/bash", arguments: ["-c", unread] + command)
            #expect(status == 128 + SIGPIPE)
            #expect(!output.contains("sts-bridge: "), "\(output)")
        }

        @Test func `the list is filtered and sorted`() async throws {
            let network = try TestNetwork.running
            let names = try await Self.prepare("filter", in: network)
            func list(_ arguments: String...) async throws -> [String] {
                let output = try await network.bridge.command(["cache", "list", "filter"] + arguments).output
                return output.split(separator: "\n").dropFirst().map { String($0.prefix { $0 != " " }) }
            }
            #expect(try await list("--state", "enforce,testing") == [names[0], names[1]])
            #expect(try await list("--mode", "no-policy") == [names[2]])
            #expect(try await list("--failing") == [names[3]])
            #expect(try await list("--expiring", "8d", "--sort", "expiry") == [names[0], names[1]])
            let none = try await network.bridge.command("cache", "list", "filter", "--expiring", "1d")
            #expect(none.status == 0)
            #expect(
                none.output.contains("DOMAIN ") && none.output.contains("no match (")
                    && none.output.contains(" domains cached)\n"), "\(none.output)")
            #expect(try await list("--reverse") == names.sorted().reversed())
            let cut = try await network.bridge.command("cache", "list", "filter", "--limit", "2")
            #expect(cut.output.contains("more than 2 domains; use --all for all"))
            let bad = try await network.bridge.command("cache", "list", "--state", "enforced")
            #expect(bad.status == 2)
            #expect(bad.output.contains("expected some of enforce, testing"))
        }

        @Test func `an error on the command line is reported before any request`() async throws {
            let network = try TestNetwork.running
            for (arguments, problem) in [
                (["exempt", "add", "a.example"], "Missing expected argument '--reason <reason>'"),
                (["exempt", "add", "localhost", "--reason", "r"], "localhost is a single label"),
                (["exempt", "add", "u@a.example", "--reason", "r"], "is a mail address"),
                (["exempt", "add", "a.example", "--reason", "r", "--until", "2020-01-01"], "is in the past"),
                (["exempt", "add", "a.example", "--reason", "r", "--until", "soon"], "expected a span such as"),
                (["exempt", "add", "a.example", "--reason", "r", "--as", "none"], "not-found"),
                (["exempt", "add", "a.example", "--reason", ""], "the reason must be"),
                (["pin", "add", "a.example", "--reason", "r", "--match", "mx"], "is not a name of an MX host"),
                (["observe", "maybe"], "maybe"), (["cache", "refresh"], "give domains, or --failing"),
                (["cache", "show", "192.0.2.1"], "is an address"),
            ] {
                let (status, output) = try await network.bridge.command(arguments)
                #expect(status == 2, "\(arguments): \(output)")
                #expect(output.contains(problem), "\(arguments): \(output)")
            }
            #expect(try await network.bridge.command("exempt", "list").output == "no domain is exempted\n")
        }

        @Test func `without a daemon each command ends with 4 and one line with advice`() async throws {
            let missing = "/tmp/no-sts-bridge-here.sock"
            for arguments in [
                ["status"], ["cache", "list"], ["cache", "show", "a.example"], ["cache", "refresh", "a.example"],
                ["cache", "refresh", "--failing"], ["cache", "forget", "a.example"], ["explain", "a.example"],
                ["exempt", "add", "a.example", "--reason", "r"], ["exempt", "list"], ["exempt", "remove", "a.example"],
                ["pin", "add", "a.example", "--reason", "r"], ["pin", "list"], ["pin", "remove", "a.example"],
                ["observe"], ["observe", "on"], ["reload"],
            ] {
                let (status, output) = try await ChildProcess.run(
                    BridgeProcess.binary(), arguments: arguments + ["--socket", missing])
                #expect(status == 4, "\(arguments)")
                #expect(
                    output
                        == "sts-bridge: cannot connect to the daemon: \(missing) does not exist; is the daemon running, and is "
                        + "admin.socket this path? (--socket)\n", "\(arguments)")
            }
        }

        @Test func `another user may not connect: exit code 4, and one line that names the group`() async throws {
            let network = try TestNetwork.running
            // Not the build directory, which may be closed to others.
            let program = network.directory + "/sts-bridge"
            try? FileManager.default.copyItem(atPath: BridgeProcess.binary(), toPath: program)
            let otherUser = ["--reuid", "65534", "--regid", "65534", "--clear-groups", program]
            for arguments in [["status"], ["exempt", "add", "a.example", "--reason", "r"]] {
                let (status, output) = try await ChildProcess.run(
                    "/usr/bin/setpriv", arguments: otherUser + arguments + ["--socket", network.bridge.adminSocket])
                #expect(status == 4, "\(output)")
                #expect(
                    output
                        == "sts-bridge: cannot connect to the daemon: no permission for \(network.bridge.adminSocket); be "
                        + "root, or a member of the group daemon\n")
            }
            // Postfix's user has the group of the lookup sockets, which is not this one's.
            let postfix = ["--reuid", "postfix", "--regid", "postfix", "--init-groups", program]
            #expect(
                try await ChildProcess.run(
                    "/usr/bin/setpriv", arguments: postfix + ["status", "--socket", network.bridge.adminSocket]
                ).0 == 4)
            // A member of the group may.
            let member = ["--reuid", "65534", "--regid", "daemon", "--clear-groups", program]
            let (status, output) = try await ChildProcess.run(
                "/usr/bin/setpriv", arguments: member + ["status", "--socket", network.bridge.adminSocket])
            #expect(status == 0, "\(output)")
        }

        @Test func `healthcheck makes a lookup like Postfix`() async throws {
            let network = try TestNetwork.running
            let good = try await network.bridge.command("healthcheck")
            #expect(good.status == 0)
            #expect(good.output.hasPrefix("ok: 127.0.0.1:8461 answers by socketmap in "), "\(good.output)")
            let json = try await network.bridge.command("healthcheck", "--json")
            #expect(json.output.contains("\"protocol\" : \"socketmap\""))
            try await network.withBridge(port: 8476) { bridge in
                #expect(try await bridge.command("healthcheck").status == 0)
                try await bridge.kill()
                let gone = try await bridge.command("healthcheck")
                #expect(gone.status == 4)
                #expect(
                    gone.output
                        == "sts-bridge: no process answers at 127.0.0.1:8476: Connection refused; is the daemon "
                        + "running?\n")
                // withBridge stops a running one.
                try await bridge.start()
            }
        }

        @Test func `a refresh fetches a policy that was changed without a new id, and explain --live shows it before`()
            async throws
        {
            let network = try TestNetwork.running
            let name = "sameid.example"
            try await network.publish(TestDomain(name, policy: Policy.enforce()))
            #expect(try await SocketmapClient.ask(name) == secure(MXHost.good.name))
            try await network.publish(TestDomain(name, policy: Policy.enforce(MXHost.second.name)))
            let live = try await network.bridge.command("explain", name, "--live")
            #expect(live.output.contains("mx            - \(MXHost.good.name)"), "\(live.output)")
            #expect(live.output.contains("+ \(MXHost.second.name)"), "\(live.output)")
            let refreshed = try await network.bridge.command("cache", "refresh", name)
            #expect(refreshed.status == 0)
            #expect(refreshed.output.hasPrefix("\(name): changed, was enforce, id 1"), "\(refreshed.output)")
            #expect(try await SocketmapClient.ask(name) == secure(MXHost.second.name))
            let forgotten = try await network.bridge.command("cache", "forget", name, "never-asked.example")
            #expect(forgotten.status == 1)
            #expect(forgotten.output.contains("forgot \(name)\n"))
            #expect(forgotten.output.contains("never-asked.example is not in the cache"))
            #expect(try await network.bridge.command("cache", "show", name).status == 1)
        }

        @Test func `a refresh of many domains shows its progress`() async throws {
            let network = try TestNetwork.running
            let names = (0..<3).map { "slow\($0).example" }
            try await network.publish(
                names.map { TestDomain($0).with { $0.policyHost?.addresses = [SilentAddresses.mute] } })
            let (status, screen) = try await PseudoTerminal(columns: 80).run(
                BridgeProcess.binary(),
                arguments: ["cache", "refresh"] + names + ["--config", network.bridge.configurationPath])
            #expect(status == 3)
            #expect(screen.contains("\r\u{1B}[Krefreshed 0 of 3"), "\(screen)")
            for name in names { #expect(screen.contains("\(name): fetch-failed"), "\(screen)") }
            // Nothing of it is left on the screen.
            let last = screen.split(separator: "\n").last ?? ""
            #expect(last.split(separator: "\u{1B}[K").last?.contains("refreshed") != true, "\(screen)")
        }
    }
}
