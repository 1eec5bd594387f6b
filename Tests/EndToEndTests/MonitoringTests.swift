import Foundation
import Testing

extension EndToEnd {
    /// What a real Prometheus reads from a real bridge.
    @Suite struct Monitoring {
        static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()

        /// Runs a bridge that is watched, with files of its own.
        private func watch(
            _ port: UInt16, settings: String = "", surroundings: Surroundings = Surroundings(),
            _ body: (Lab, BridgeProcess, MonitoringClient) async throws -> Void
        ) async throws {
            let lab = try Lab.running
            let http = MonitoringClient(port: port + 1_000)
            try await lab.withBridge(
                port: port, settings: "http:\n  listen: [127.0.0.1:\(http.port)]\n" + settings,
                surroundings: surroundings
            ) { bridge in
                try await bridge.eventuallyTold("protocol=http")
                try await body(lab, bridge, http)
            }
        }

        /// Domains of every kind, asked for.
        private func ask(_ lab: Lab, port: UInt16) async throws {
            try await lab.publish(
                LabDomain("watched.example", policy: Policy.enforce()),
                LabDomain("watched-testing.example", policy: Policy.testing()),
                .plain("watched-plain.example"),
                LabDomain("watched-expired.example").with {
                    $0.policyHost?.certificate = .expired(["mta-sts.watched-expired.example"])
                },
                LabDomain("watched-no-mx.example", policy: Policy.enforce("localhost")))
            let keys = [
                "watched.example", "watched.example", "WATCHED.example", "watched-testing.example",
                "watched-plain.example", "watched-expired.example", "watched-no-mx.example", ".example", "",
            ]
            for key in keys { _ = try await SocketmapClient.ask(key, port: port) }
        }

        @Test func `the counts are those of the lookups, and Prometheus takes the page`() async throws {
            try await watch(8495) { lab, _, http in
                try await ask(lab, port: 8495)
                let page = try await http.metrics()
                let counts: [String: Double] = [
                    #"lookups_total{table="socketmap",rule="enforce",reply="secure"}"#: 3,
                    #"lookups_total{table="socketmap",rule="testing",reply="not-found"}"#: 1,
                    #"lookups_total{table="socketmap",rule="no-policy",reply="not-found"}"#: 1,
                    #"lookups_total{table="socketmap",rule="unknown",reply="not-found"}"#: 1,
                    #"lookups_total{table="socketmap",rule="enforce",reply="temporary"}"#: 1,
                    #"lookups_total{table="socketmap",rule="no-policy-domain",reply="not-found"}"#: 2,
                    #"temporary_replies_total{reason="no-usable-mx"}"#: 1,
                    #"temporary_replies_total{reason="record"}"#: 0,
                    "lookup_duration_seconds_count": 9,
                    #"record_lookups_total{finding="published"}"#: 4, #"record_lookups_total{finding="none"}"#: 1,
                    #"policy_fetches_total{result="success"}"#: 3,
                    #"policy_fetches_total{result="sts-webpki-invalid"}"#: 1,
                    "policy_fetch_duration_seconds_count": 4, "archive_failing": 0, "archive_failures_total": 0,
                    "connections_limit": 10_000, "observe_mode": 0, "series_dropped_total": 0,
                    #"cached_domains{state="enforce"}"#: 2, #"cached_domains{state="testing"}"#: 1,
                    #"cached_domains{state="no-policy"}"#: 1, #"cached_domains{state="unknown"}"#: 1,
                    "failing_domains": 1, "archive_unwritten_changes": 0,
                ]
                for (series, count) in counts {
                    #expect(page["sts_bridge_" + series] == count, "\(series)")
                }
                // One TXT question a domain, two for addresses a policy host.
                #expect(page[#"sts_bridge_dns_query_duration_seconds_count{resolver="plain"}"#] == 13)
                #expect(page.text.contains("\nsts_bridge_build_info{version=\""))
                let started = try #require(page["sts_bridge_process_start_time_seconds"])
                #expect(abs(Date().timeIntervalSince1970 - started) < 60)
                let life = try #require(page["sts_bridge_policy_soonest_expiry_seconds"])
                #expect((604_740...604_800).contains(life))
                #expect(page["sts_bridge_policy_soonest_failing_expiry_seconds"]?.isNaN == true)
                let check = try await ChildProcess.run(
                    "/usr/bin/promtool", ["check", "metrics"], input: Data(page.text.utf8))
                #expect(check.status == 0, "\(check.output)")
                #expect(check.output == "", "\(check.output)")
            }
        }

        @Test func `README, the alerts and the dashboard name metrics that the bridge has`() async throws {
            // In observe mode it has all that an ordinary one has, and one more.
            try await watch(8496, settings: "policy:\n  observe: true\n") { lab, _, http in
                try await ask(lab, port: 8496)
                let page = try await eventually("a discovery in observe mode has ended") {
                    let page = try await http.metrics()
                    return page[#"sts_bridge_observed_total{rule="enforce",reply="secure"}"#] == nil ? nil : page
                }
                #expect(page["sts_bridge_observe_mode"] == 1)
                for file in ["sts-bridge.rules.yml", "grafana-dashboard.json"] {
                    let url = Self.root.appending(path: "Documentation/monitoring/\(file)")
                    let used = try String(contentsOf: url, encoding: .utf8).matches(of: /sts_bridge_[a-z_]+/)
                        .map { String($0.0) }
                    #expect(used.count > 10)
                    #expect(Set(used).subtracting(page.names) == [], "\(file)")
                }
                let readme = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
                let documented = readme.matches(of: /\n\| `(sts_bridge_[a-z_]+)` \| ([a-z]+) \|/)
                    .map { "\($0.1) \($0.2)" }
                #expect(Set(documented).symmetricDifference(page.types) == [])
            }
        }

        @Test func `no name of a domain is on the page`() async throws {
            try await watch(8497) { lab, _, http in
                try await ask(lab, port: 8497)
                let page = try await http.metrics()
                #expect(!page.text.contains("example"))
                #expect(!page.text.contains("watched"))
            }
        }

        @Test func `it is ready once it listens, and not ready while it answers what is pending at the end`()
            async throws
        {
            // Nobody answers, so a lookup stays pending for the time of one query.
            try await watch(8498, surroundings: Surroundings(servers: [Silence.resolver])) { _, bridge, http in
                #expect(try await http.get("/healthz").status == 200)
                _ = try await eventually("it is ready") { try await http.get("/readyz").status == 200 ? true : nil }
                async let reply = SocketmapClient.ask("pending.example", port: 8498)
                _ = try await eventually("the lookup is pending") {
                    try await http.metrics()["sts_bridge_connections"] == 1 ? true : nil
                }
                let process = try #require(await bridge.identifier)
                kill(process, SIGTERM)
                let page = try await eventually("it is not ready") {
                    let page = try await http.get("/readyz")
                    return page.status == 503 ? page : nil
                }
                #expect(page.body == "not ready: stopping, pending lookups are answered\n")
                #expect(try await reply == "NOTFOUND ")
            }
        }

        @Test func `a port that is taken stops the start with one clear line`() async throws {
            try await watch(8499) { lab, _, http in
                let directory = lab.directory + "/second"
                // Makes its file; it is run to its end below.
                _ = try BridgeProcess(
                    in: directory,
                    configuration: """
                        listen:
                          socketmap: [127.0.0.1:8500]
                          tcp-table: []
                        cache:
                          store: memory
                        admin:
                          socket: ""
                        http:
                          listen: [127.0.0.1:\(http.port)]
                        """)
                let outcome = try await ChildProcess.run(
                    BridgeProcess.binary(), ["serve", "--config", directory + "/config.yaml"])
                // Not 2, after which systemd starts it no more: the port may be free later.
                #expect(outcome.status == 3)
                #expect(
                    outcome.output == """
                        sts-bridge: cannot serve http on 127.0.0.1:9499: Address already in use; stop the other process or \
                        choose another port under http.listen

                        """)
            }
        }
    }
}
