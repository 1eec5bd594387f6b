import Foundation
import Testing

extension EndToEnd {
    /// `sts-bridge doctor` beside real Postfix settings, a real daemon and real sockets.
    @Suite struct Doctor {
        @Test func `a host on which all is well has nothing but ok and skip, and exit code 0`() async throws {
            let (status, output) = try await Lab.running.patient().examined("--json")
            let diagnosis = try Diagnosis(output)
            let others = diagnosis.findings.filter { !["ok", "skip"].contains($0.severity) }
            #expect(others.isEmpty, "\(others)")
            #expect(status == 0)
            #expect(diagnosis.worst == "ok")
            let skipped = diagnosis.findings.count { $0.severity == "skip" }
            #expect(
                diagnosis.counts == [
                    "ok": diagnosis.findings.count - skipped, "skip": skipped, "warn": 0, "fail": 0, "unknown": 0,
                ])
            #expect(diagnosis.of("daemon-settings").map(\.severity) == ["ok"])
            #expect(diagnosis.of("lookup").first?.meaning.contains("OK secure match=") == true)
            #expect(diagnosis.of("map-socket").map(\.services) == [[]])
        }

        @Test(arguments: Ailment.all)
        func `each broken host is found out, by the right check`(ailment: Ailment) async throws {
            var patient = try await Lab.running.patient()
            ailment.harm(&patient)
            let (status, output) = try await patient.examined("--json")
            let diagnosis = try Diagnosis(output)
            let found = diagnosis.of(ailment.check).filter { $0.severity == ailment.severity }
            #expect(found.map(\.services).contains(ailment.services), "\(output)")
            let lines = found.flatMap(\.changes).map(\.line)
            if let change = ailment.change {
                #expect(lines.contains { $0.contains(change) }, "\(output)")
            } else {
                #expect(lines.isEmpty, "\(lines)")
            }
            #expect(status == (diagnosis.worst == "fail" ? 2 : 1), "\(diagnosis.worst)")
            #expect(diagnosis.worst == "fail" || ailment.severity == "warn")
        }

        /// The lines that are proposed are put in, and then all is well.
        @Test func `the lines to change mend what they are for`() async throws {
            var patient = try await Lab.running.patient()
            patient.main["smtp_tls_policy_maps"] = ""
            patient.main["smtp_tls_CAfile"] = ""
            patient.main["smtp_tls_security_level"] = ""
            patient.main["smtp_fallback_relay"] = "[relay.example]"
            let diagnosis = try Diagnosis(try await patient.examined("--json").output)
            #expect(diagnosis.worst == "fail")
            for change in diagnosis.findings.flatMap(\.changes) where change.place == "main.cf" {
                let words = change.line.split(separator: "=", maxSplits: 1)
                let name = words[0].trimmingCharacters(in: .whitespaces)
                patient.main[name] = words[1].trimmingCharacters(in: .whitespaces)
            }
            let mended = try await patient.examined("--json")
            #expect(mended.status == 0, "\(mended.output)")
        }

        @Test func `without postconf the files are read, and what is not known is said`() async throws {
            var patient = try await Lab.running.patient()
            patient.main["smtp_tls_CAfile"] = "/nonexistent.pem"
            let hidden = "mount --bind /dev/null /usr/sbin/postconf && exec \"$@\""
            let (status, output) = try await patient.examined(
                "--json", by: ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", hidden, "sh"])
            let diagnosis = try Diagnosis(output)
            #expect(diagnosis.of("postfix").map(\.severity) == ["unknown"])
            #expect(diagnosis.of("policy-maps").map(\.severity) == ["ok"])
            // It may well be there on Postfix's own host.
            #expect(diagnosis.of("ca").map(\.severity) == ["unknown"])
            #expect(diagnosis.of("map-name").map(\.severity) == ["unknown"])
            #expect(status == 3, "\(output)")
        }

        @Test func `another user is told what it could not see`() async throws {
            let lab = try Lab.running
            let patient = try await lab.patient()
            let binary = try lab.openBinary()
            let nobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c"]
            let (status, output) = try await patient.examined(
                "--json", by: nobody + ["shift; exec \(binary) \"$@\"", "sh"])
            let diagnosis = try Diagnosis(output)
            #expect(diagnosis.of("user").map(\.severity) == ["unknown"])
            #expect(diagnosis.of("daemon").map(\.severity).sorted() == ["ok", "ok", "unknown"])
            #expect(diagnosis.of("map-socket").map(\.severity) == ["unknown"])
            #expect(status == 3, "\(output)")
        }

        @Test func `in a pipe each finding is a line, without colour, and the counts are the last`() async throws {
            var patient = try await Lab.running.patient()
            patient.main["smtp_tls_policy_maps"] = ""
            let (status, output) = try await patient.examined()
            #expect(status == 2)
            #expect(!output.contains("\u{1B}"))
            let lines = output.split(separator: "\n")
            let finding =
                "  fail    policy-maps       smtp_tls_policy_maps is empty: Postfix asks nobody, and no policy is applied."
            let change = "          main.cf: smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8475:postfix"
            let place = try #require(lines.firstIndex(of: Substring(finding)), "\(output)")
            #expect(lines[place + 1] == change)
            #expect(lines.last?.hasPrefix("1 fail, ") == true, "\(output)")
        }

        @Test(arguments: [80, 160])
        func `on a terminal it is as wide as that, and coloured unless that is unwanted`(columns: Int) async throws {
            let patient = try await Lab.running.patient()
            func shown(_ environment: String) async throws -> [Substring] {
                let run = "stty cols \(columns); exec env -u NO_COLOR TERM=xterm \(environment) \"$@\""
                return try await patient.examined(by: ["/bin/sh", "-c", Self.inTerminal, "sh", run]).output
                    .split(whereSeparator: \.isNewline)
            }
            let coloured = try await shown("")
            #expect(coloured.contains { $0.contains("\u{1B}[32mok") }, "\(coloured)")
            let plain = try await shown("NO_COLOR=1")
            #expect(!plain.contains { $0.contains("\u{1B}[3") })
            let widths = plain.filter { !$0.contains(patient.directory) }.map(\.count)
            #expect(widths.allSatisfy { $0 <= columns })
            #expect(widths.contains { $0 > columns * 2 / 3 })
        }

        /// Runs `$2…` by the shell text `$1` in a pseudo-terminal of util-linux's script(1).
        private static let inTerminal = """
            run=$1; shift; words=; for word; do words="$words '$word'"; done
            exec script --quiet --return --command "/bin/sh -c '$run' sh $words" /dev/null
            """
    }
}
