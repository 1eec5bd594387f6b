import Testing

extension EndToEnd {
    /// Pitfalls 1–12 and 14: the TXT record. Those of time (13, 15–17) are in `PolicyChanges`.
    @Suite struct RecordPitfalls {
        @Test func `pitfalls 1 to 12: TXT records follow RFC 8461 section 3.1`() async throws {
            let network = try TestNetwork.running
            try await network.check(Self.delegation + Self.several + Self.spelling + Self.locations, section: "a")
        }

        @Test func `pitfall 14: a failed TXT query defers no mail if nothing is cached`() async throws {
            let network = try TestNetwork.running
            #expect(try await SocketmapClient.ask("servfail.broken.example") == "NOTFOUND ")
            try await network.withBridge(
                port: 8471, surroundings: BridgeEnvironment(servers: [SilentAddresses.resolver])
            ) { _ in
                let reply = try await SocketmapClient.ask("silent.example", port: 8471)
                #expect(reply == "NOTFOUND ")
            }
            try await network.withBridge(port: 8472, surroundings: BridgeEnvironment(onUnknown: "defer")) { _ in
                let reply = try await SocketmapClient.ask("servfail.broken.example", port: 8472)
                #expect(reply.hasPrefix("TEMP "))
                #expect(reply.contains("_mta-sts.servfail.broken.example"), "the reason names the query: \(reply)")
            }
        }

        static let delegation = [
            Pitfall(1, name: "STS-3.1-q, STS-3.1-s: _mta-sts is a CNAME to the provider", expect: .policy) {
                $0.txt = []
                $0.records = ["_mta-sts.\($0.name). CNAME _mta-sts.provider.example."]
            },
            Pitfall(1, name: "a chain of two CNAMEs", expect: .policy) {
                $0.txt = []
                $0.records = [
                    "_mta-sts.\($0.name). CNAME half-way.\($0.name).",
                    "half-way.\($0.name). CNAME _mta-sts.provider.example.",
                ]
            },
            Pitfall(1, name: "STS-3.1-r: CNAMEs in a circle", expect: .nothingAndNoRequest) {
                $0.txt = []
                $0.records = [
                    "_mta-sts.\($0.name). CNAME there.\($0.name).", "there.\($0.name). CNAME _mta-sts.\($0.name).",
                ]
            },
            Pitfall(2, name: "the record is delegated, the policy host forgotten", expect: .fetchFailed) {
                $0.txt = []
                $0.records = ["_mta-sts.\($0.name). CNAME _mta-sts.provider.example."]
                $0.policyHost = nil
            },
        ]

        static let several = [
            Pitfall(
                3, name: "STS-3.1-l: two STS records", expect: .nothingAndNoRequest, records: "v=STSv1; id=1;",
                "v=STSv1; id=2;"),
            Pitfall(
                3, name: "STS-3.1-n: a broken one counts", expect: .nothingAndNoRequest, records: "v=STSv1; what",
                "v=STSv1; id=2;"),
            Pitfall(4, name: "SPF beside it", expect: .policy, records: "v=spf1 -all", "v=STSv1; id=1;"),
            Pitfall(
                4, name: "only unrelated ones", expect: .nothingAndNoRequest, records: "v=spf1 -all",
                "google-site-verification=x"),
            Pitfall(4, name: "a wildcard's SPF", expect: .nothingAndNoRequest) {
                $0.txt = []
                $0.records = ["*.\($0.name). TXT \"v=spf1 -all\""]
            },
            Pitfall(5, name: "a blank before the semicolon", expect: .policy, records: "v=STSv1 ; id=1"),
            Pitfall(
                5, name: "STS-3.1-o: the same among several", expect: .nothingAndNoRequest, records: "v=STSv1 ; id=1",
                "v=spf1 -all"),
            Pitfall(5, name: "the same beside a good one", expect: .policy, records: "v=STSv1 ; id=1", "v=STSv1; id=2"),
            Pitfall(8, name: "a decoy in other case", expect: .policy, records: "V=STSv1; id=9;", "v=STSv1; id=1;"),
            Pitfall(10, name: "STSv10 beside it", expect: .policy, records: "v=STSv10; id=9;", "v=STSv1; id=1;"),
            Pitfall(10, name: "STSv2 beside it", expect: .policy, records: "v=STSv2; id=9;", "v=STSv1; id=1;"),
            Pitfall(11, name: "split into strings", expect: .policy) { $0.txt = [["v=STSv1; i", "d=2024", "0101;"]] },
            Pitfall(11, name: "split into strings of one octet", expect: .policy) {
                $0.txt = [Array("v=STSv1; id=1;").map(String.init)]
            },
            Pitfall(11, name: "ten thousand strings", expect: .nothingAndNoRequest) {
                $0.txt = [["v=STSv1; id=1;"] + Array(repeating: ";", count: 10_000)]
            },
            Pitfall(11, name: "three hundred records", expect: .nothingAndNoRequest) {
                $0.txt = (0..<300).map { ["v=STSv1; id=\($0);"] }
            },
        ]

        static let spelling = [
            Pitfall(6, name: "a plus in the id", expect: .nothingAndNoRequest, records: "v=STSv1; id=a+b;"),
            Pitfall(
                6, name: "STS-3.1-m: a hyphen in the id", expect: .nothingAndNoRequest,
                records: "v=STSv1; id=2024-01-01;"),
            Pitfall(6, name: "an underscore in the id", expect: .nothingAndNoRequest, records: "v=STSv1; id=a_b;"),
            Pitfall(6, name: "a colon in the id", expect: .nothingAndNoRequest, records: "v=STSv1; id=12:00;"),
            Pitfall(
                7, name: "an id of 32", expect: .policy, records: "v=STSv1; id=\(String(repeating: "x", count: 32));"),
            Pitfall(
                7, name: "an id of 33", expect: .nothingAndNoRequest,
                records: "v=STSv1; id=\(String(repeating: "x", count: 33));"),
            Pitfall(7, name: "an empty id", expect: .nothingAndNoRequest, records: "v=STSv1; id=;"),
            Pitfall(7, name: "no id", expect: .nothingAndNoRequest, records: "v=STSv1;"),
            Pitfall(7, name: "STS-3.1-h: x-id is not the id", expect: .policy, records: "v=STSv1; x-id=a-b; id=1;"),
            Pitfall(8, name: "V", expect: .nothingAndNoRequest, records: "V=STSv1; id=1;"),
            Pitfall(8, name: "stsv1", expect: .nothingAndNoRequest, records: "v=stsv1; id=1;"),
            Pitfall(
                8, name: "blanks around the version's equals sign", expect: .nothingAndNoRequest,
                records: "v = STSv1; id=1;"),
            Pitfall(8, name: "a blank first", expect: .nothingAndNoRequest, records: " v=STSv1; id=1;"),
            Pitfall(
                8, name: "blanks around the id's equals sign", expect: .nothingAndNoRequest, records: "v=STSv1; id = 1;"
            ),
            Pitfall(9, name: "no final semicolon", expect: .policy, records: "v=STSv1; id=1"),
            Pitfall(9, name: "a blank after the final semicolon", expect: .policy, records: "v=STSv1; id=1; "),
            Pitfall(9, name: "STS-3.1-e: two semicolons", expect: .nothingAndNoRequest, records: "v=STSv1;; id=1"),
            Pitfall(10, name: "STSv10 alone", expect: .nothingAndNoRequest, records: "v=STSv10; id=1;"),
            Pitfall(10, name: "STSv2 alone", expect: .nothingAndNoRequest, records: "v=STSv2; id=1;"),
            Pitfall(
                10, name: "STS-3.1-b: octets beyond ASCII", expect: .nothingAndNoRequest, records: "v=STSv1; id=1; x=é;"
            ),
        ]

        static let locations = ["_mta_sts.", "mta-sts.", "_.mta-sts.", "", "_smtp._tls."].map { owner in
            Pitfall(12, name: "the record is at \(owner)DOMAIN", expect: .nothingAndNoRequest) {
                $0.txt = []
                $0.records = ["\(owner)\($0.name). TXT \"v=STSv1; id=1;\""]
            }
        }
    }
}
