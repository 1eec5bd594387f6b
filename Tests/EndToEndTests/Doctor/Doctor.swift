import Foundation
import Testing

extension EndToEnd {
    /// `sts-bridge doctor` beside real Postfix settings, a real daemon and real sockets.
    @Suite struct Doctor {
        @Test func `a healthy host has only ok and skip, and exit code 0`() async throws {
            let (status, output) = try await TestNetwork.running.host().examined("--json")
            let diagnosis = try Diagnosis(output)
            let others = diagnosis.results.filter { !["ok", "skip"].contains($0.severity) }
            #expect(others.isEmpty, "\(others)")
            #expect(status == 0)
            #expect(diagnosis.worst == "ok")
            let skipped = diagnosis.results.count { $0.severity == "skip" }
            #expect(
                diagnosis.counts == [
                    "ok": diagnosis.results.count - skipped, "skip": skipped, "warn": 0, "fail": 0, "unknown": 0,
                ])
            #expect(diagnosis.of("daemon-settings").map(\.severity) == ["ok"])
            #expect(diagnosis.of("lookup").first?.meaning.contains("OK secure match=") == true)
            #expect(diagnosis.of("map-socket").map(\.services) == [[]])
        }

        @Test(arguments: BrokenSetup.all)
        func `each broken setup is reported by the right check`(brokenSetup: BrokenSetup) async throws {
            var host = try await TestNetwork.running.host()
            brokenSetup.harm(&host)
            let (status, output) = try await host.examined("--json")
            let diagnosis = try Diagnosis(output)
            let found = diagnosis.of(brokenSetup.check).filter { $0.severity == brokenSetup.severity }
            #expect(found.map(\.services).contains(brokenSetup.services), "\(output)")
            let lines = found.flatMap(\.changes).map(\.line)
            if let change = brokenSetup.change {
                #expect(lines.contains { $0.contains(change) }, "\(output)")
            } else {
                #expect(lines.isEmpty, "\(lines)")
            }
            #expect(status == (diagnosis.worst == "fail" ? 2 : 1), "\(diagnosis.worst)")
            #expect(diagnosis.worst == "fail" || brokenSetup.severity == "warn")
        }

        /// Applies the proposed fixes; then all is healthy.
        @Test func `the fixes repair the setup`() async throws {
            var host = try await TestNetwork.running.host()
            host.main["smtp_tls_policy_maps"] = ""
            host.main["smtp_tls_CAfile"] = ""
            host.main["smtp_tls_security_level"] = ""
            host.main["smtp_fallback_relay"] = "[relay.example]"
            let diagnosis = try Diagnosis(try await host.examined("--json").output)
            #expect(diagnosis.worst == "fail")
            for change in diagnosis.results.flatMap(\.changes) where change.place == "main.cf" {
                let words = change.line.split(separator: "=", maxSplits: 1)
                let name = words[0].trimmingCharacters(in: .whitespaces)
                host.main[name] = words[1].trimmingCharacters(in: .whitespaces)
            }
            let mended = try await host.examined("--json")
            #expect(mended.status == 0, "\(mended.output)")
        }

        @Test func `without postconf the files are read, and unknown results are reported`() async throws {
            var host = try await TestNetwork.running.host()
            host.main["smtp_tls_CAfile"] = "/nonexistent.pem"
            let inaccessible = "mount --bind /dev/null /usr/sbin/postconf && exec \"$@\""
            let (status, output) = try await host.examined(
                "--json", by: ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", inaccessible, "sh"])
            let diagnosis = try Diagnosis(output)
            #expect(diagnosis.of("postfix").map(\.severity) == ["unknown"])
            #expect(diagnosis.of("policy-maps").map(\.severity) == ["ok"])
            // It may exist on Postfix's own host.
            #expect(diagnosis.of("ca").map(\.severity) == ["unknown"])
            #expect(diagnosis.of("map-name").map(\.severity) == ["unknown"])
            #expect(status == 3, "\(output)")
        }

        @Test func `another user gets unknown results for files that it cannot read`() async throws {
            let network = try TestNetwork.running
            let host = try await network.host()
            let binary = try network.openBinary()
            let unprivileged = [
                "/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c",
            ]
            let (status, output) = try await host.examined(
                "--json", by: unprivileged + ["shift; exec \(binary) \"$@\"", "sh"])
            let diagnosis = try Diagnosis(output)
            #expect(diagnosis.of("user").map(\.severity) == ["unknown"])
            #expect(diagnosis.of("daemon").map(\.severity).sorted() == ["ok", "ok", "unknown"])
            #expect(diagnosis.of("map-socket").map(\.severity) == ["unknown"])
            #expect(status == 3, "\(output)")
        }

        @Test func `in a pipe each result is one line without colour, and the counts come last`() async throws {
            var host = try await TestNetwork.running.host()
            host.main["smtp_tls_policy_maps"] = ""
            let (status, output) = try await host.examined()
            #expect(status == 2)
            #expect(!output.contains("\u{1B}"))
            let lines = output.split(separator: "\n")
            let result =
                "  fail    policy-maps       smtp_tls_policy_maps is empty: Postfix uses no table, and no policy is applied."
            let change = "          main.cf: smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8475:postfix"
            let place = try #require(lines.firstIndex(of: Substring(result)), "\(output)")
            #expect(lines[place + 1] == change)
            #expect(lines.last?.hasPrefix("1 fail, ") == true, "\(output)")
        }

        @Test(arguments: [80, 160])
        func `on a terminal the output has its width, and colours unless disabled`(columns: Int) async throws {
            let host = try await TestNetwork.running.host()
            func shown(_ environment: String) async throws -> [Substring] {
                let run = "stty cols \(columns); exec env -u NO_COLOR TERM=xterm \(environment) \"$@\""
                return try await host.examined(by: ["/bin/sh", "-c", Self.inTerminal, "sh", run]).output
                    .split(whereSeparator: \.isNewline)
            }
            let coloured = try await shown("")
            #expect(coloured.contains { $0.contains("\u{1B}[32mok") }, "\(coloured)")
            let plain = try await shown("NO_COLOR=1")
            #expect(!plain.contains { $0.contains("\u{1B}[3") })
            let widths = plain.filter { !$0.contains(host.directory) }.map(\.count)
            #expect(widths.allSatisfy { $0 <= columns })
            #expect(widths.contains { $0 > columns * 2 / 3 })
        }

        /// Runs `$2…` with the shell text `$1` in a pseudo-terminal of util-linux's script(1).
        private static let inTerminal = """
            run=$1; shift; words=; for word; do words="$words '$word'"; done
            exec script --quiet --return --command "/bin/sh -c '$run' sh $words" /dev/null
            """
    }
}
