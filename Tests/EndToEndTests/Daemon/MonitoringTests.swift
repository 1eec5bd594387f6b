import Foundation
import Testing

extension EndToEnd {
    /// The metrics of a running bridge, as Prometheus reads them.
    @Suite struct MonitoringTests {
        /// Runs a bridge with monitoring and a directory of its own.
        private func watch(
            _ port: UInt16, settings: String = "", surroundings: BridgeEnvironment = BridgeEnvironment(),
            perform body: (TestNetwork, BridgeProcess, MonitoringClient) async throws -> Void
        ) async throws {
            let network = try TestNetwork.running
            let http = MonitoringClient(port: port + 1_000)
            try await network.withBridge(
                port: port, settings: "http:\n  listen: [127.0.0.1:\(http.port)]\n" + settings,
                surroundings: surroundings
            ) { bridge in
                try await bridge.eventuallyLogs("protocol=http")
                try await body(network, bridge, http)
            }
        }

        /// Looks up domains of every kind.
        private func ask(_ network: TestNetwork, port: UInt16) async throws {
            try await network.publish(
                TestDomain("watched.example", policy: Policy.enforce()),
                TestDomain("watched-testing.example", policy: Policy.testing()),
                .plain("watched-plain.example"),
                TestDomain("watched-expired.example").with {
                    $0.policyHost?.certificate = .expired(["mta-sts.watched-expired.example"])
                },
                TestDomain("watched-no-mx.example", policy: Policy.enforce("localhost")))
            let keys = [
                "watched.example", "watched.example", "WATCHED.example", "watched-testing.example",
                "watched-plain.example", "watched-expired.example", "watched-no-mx.example", ".example", "",
            ]
            for key in keys { _ = try await SocketmapClient.ask(key, port: port) }
        }

        @Test func `the counters match the lookups, and Prometheus accepts the page`() async throws {
            try await watch(8495) { network, _, http in
                try await ask(network, port: 8495)
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
                    #"record_lookups_total{result="published"}"#: 4, #"record_lookups_total{result="none"}"#: 1,
                    #"policy_fetches_total{result="success"}"#: 3,
                    #"policy_fetches_total{result="sts-webpki-invalid"}"#: 1,
                    "policy_fetch_duration_seconds_count": 4, "store_failing": 0, "store_failures_total": 0,
                    "connections_limit": 10_000, "observe_mode": 0, "series_dropped_total": 0,
                    #"cached_domains{state="enforce"}"#: 2, #"cached_domains{state="testing"}"#: 1,
                    #"cached_domains{state="no-policy"}"#: 1, #"cached_domains{state="unknown"}"#: 1,
                    "failing_domains": 1, "store_unwritten_changes": 0,
                ]
                for (series, count) in counts {
                    #expect(page["sts_bridge_" + series] == count, "\(series)")
                }
                // One TXT query for each domain, two address queries for each policy host.
                #expect(page[#"sts_bridge_dns_query_duration_seconds_count{resolver="plain"}"#] == 13)
                #expect(page.text.contains("\nsts_bridge_build_info{version=\""))
                let started = try #require(page["sts_bridge_process_start_time_seconds"])
                #expect(abs(Date().timeIntervalSince1970 - started) < 60)
                let life = try #require(page["sts_bridge_policy_soonest_expiry_seconds"])
                #expect((604_740...604_800).contains(life))
                #expect(page["sts_bridge_policy_soonest_failing_expiry_seconds"]?.isNaN == true)
                let check = try await ChildProcess.run(
                    "/usr/bin/promtool", arguments: ["check", "metrics"], input: Data(page.text.utf8))
                #expect(check.status == 0, "\(check.output)")
                #expect(check.output == "", "\(check.output)")
            }
        }

        @Test func `monitoring.md, the alerts and the dashboard name metrics that the bridge has`() async throws {
            // Observe mode has all metrics and one more.
            try await watch(8496, settings: "policy:\n  observe: true\n") { network, _, http in
                try await ask(network, port: 8496)
                let page = try await eventually("a discovery in observe mode has ended") {
                    let page = try await http.metrics()
                    return page[#"sts_bridge_observed_total{rule="enforce",reply="secure"}"#] == nil ? nil : page
                }
                #expect(page["sts_bridge_observe_mode"] == 1)
                for file in ["sts-bridge.rules.yml", "grafana-dashboard.json"] {
                    let url = TestNetwork.repository.appending(path: "Documentation/monitoring/\(file)")
                    let used = try String(contentsOf: url, encoding: .utf8).matches(of: /sts_bridge_[a-z_]+/)
                        .map { String($0.0) }
                    #expect(used.count > 10)
                    #expect(Set(used).subtracting(page.names) == [], "\(file)")
                }
                let document = try String(
                    contentsOf: TestNetwork.repository.appending(path: "Documentation/monitoring.md"), encoding: .utf8)
                let documented = document.matches(of: /\n\| `(sts_bridge_[a-z_]+)` \| ([a-z]+) \|/)
                    .map { "\($0.1) \($0.2)" }
                #expect(Set(documented).symmetricDifference(page.types) == [])
            }
        }

        @Test func `the page has no domain name`() async throws {
            try await watch(8497) { network, _, http in
                try await ask(network, port: 8497)
                let page = try await http.metrics()
                #expect(!page.text.contains("example"))
                #expect(!page.text.contains("watched"))
            }
        }

        @Test func `the daemon is ready when it listens, and not ready while it answers pending lookups at the end`()
            async throws
        {
            // The DNS server does not answer, so a lookup stays pending for the time of one query.
            try await watch(8498, surroundings: BridgeEnvironment(servers: [SilentAddresses.resolver])) {
                _, bridge, http in
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

        @Test func `a port in use stops the start with one clear line`() async throws {
            try await watch(8499) { network, _, http in
                let directory = network.directory + "/second"
                // Only for its configuration file.
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
                    BridgeProcess.binary(), arguments: ["serve", "--config", directory + "/config.yaml"])
                // Not 2, after which systemd does not restart it: the port may be free later.
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
