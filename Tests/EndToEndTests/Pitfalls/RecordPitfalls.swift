import Testing

extension EndToEnd {
    /// Pitfalls 1–12 and 14: the TXT record. Those of time (13, 15–17) are in `PolicyChanges`.
    @Suite struct RecordPitfalls {
        @Test func `pitfalls 1 to 12: TXT records are found and judged by RFC 8461 section 3.1`() async throws {
            let lab = try Lab.running
            try await lab.check(Self.delegation + Self.several + Self.spelling + Self.whereabouts, section: "a")
        }

        @Test func `pitfall 14: a TXT query that fails holds no mail when nothing is cached`() async throws {
            let lab = try Lab.running
            #expect(try await SocketmapClient.ask("servfail.broken.example") == "NOTFOUND ")
            try await lab.withBridge(port: 8471, surroundings: Surroundings(servers: [Silence.resolver])) { _ in
                let reply = try await SocketmapClient.ask("silent.example", port: 8471)
                #expect(reply == "NOTFOUND ")
            }
            try await lab.withBridge(port: 8472, surroundings: Surroundings(onUnknown: "defer")) { _ in
                let reply = try await SocketmapClient.ask("servfail.broken.example", port: 8472)
                #expect(reply.hasPrefix("TEMP "))
                #expect(reply.contains("_mta-sts.servfail.broken.example"), "the reason names the query: \(reply)")
            }
        }

        static let delegation = [
            Pitfall(1, "STS-3.1-q, STS-3.1-s: _mta-sts is a CNAME to the provider", .policy) {
                $0.txt = []
                $0.records = ["_mta-sts.\($0.name). CNAME _mta-sts.provider.example."]
            },
            Pitfall(1, "a chain of two CNAMEs", .policy) {
                $0.txt = []
                $0.records = [
                    "_mta-sts.\($0.name). CNAME half-way.\($0.name).",
                    "half-way.\($0.name). CNAME _mta-sts.provider.example.",
                ]
            },
            Pitfall(1, "STS-3.1-r: CNAMEs in a circle", .nothingAndNoRequest) {
                $0.txt = []
                $0.records = [
                    "_mta-sts.\($0.name). CNAME there.\($0.name).", "there.\($0.name). CNAME _mta-sts.\($0.name).",
                ]
            },
            Pitfall(2, "the record is delegated, the policy host forgotten", .fetchFailed) {
                $0.txt = []
                $0.records = ["_mta-sts.\($0.name). CNAME _mta-sts.provider.example."]
                $0.policyHost = nil
            },
        ]

        static let several = [
            Pitfall(3, "STS-3.1-l: two STS records", .nothingAndNoRequest, records: "v=STSv1; id=1;", "v=STSv1; id=2;"),
            Pitfall(
                3, "STS-3.1-n: a broken one counts", .nothingAndNoRequest, records: "v=STSv1; what", "v=STSv1; id=2;"),
            Pitfall(4, "SPF beside it", .policy, records: "v=spf1 -all", "v=STSv1; id=1;"),
            Pitfall(
                4, "only unrelated ones", .nothingAndNoRequest, records: "v=spf1 -all", "google-site-verification=x"),
            Pitfall(4, "a wildcard's SPF", .nothingAndNoRequest) {
                $0.txt = []
                $0.records = ["*.\($0.name). TXT \"v=spf1 -all\""]
            },
            Pitfall(5, "a blank before the semicolon", .policy, records: "v=STSv1 ; id=1"),
            Pitfall(
                5, "STS-3.1-o: the same among several", .nothingAndNoRequest, records: "v=STSv1 ; id=1", "v=spf1 -all"),
            Pitfall(5, "the same beside a good one", .policy, records: "v=STSv1 ; id=1", "v=STSv1; id=2"),
            Pitfall(8, "a decoy in other case", .policy, records: "V=STSv1; id=9;", "v=STSv1; id=1;"),
            Pitfall(10, "STSv10 beside it", .policy, records: "v=STSv10; id=9;", "v=STSv1; id=1;"),
            Pitfall(10, "STSv2 beside it", .policy, records: "v=STSv2; id=9;", "v=STSv1; id=1;"),
            Pitfall(11, "split into strings", .policy) { $0.txt = [["v=STSv1; i", "d=2024", "0101;"]] },
            Pitfall(11, "split into strings of one octet", .policy) {
                $0.txt = [Array("v=STSv1; id=1;").map(String.init)]
            },
            Pitfall(11, "ten thousand strings", .nothingAndNoRequest) {
                $0.txt = [["v=STSv1; id=1;"] + Array(repeating: ";", count: 10_000)]
            },
            Pitfall(11, "three hundred records", .nothingAndNoRequest) {
                $0.txt = (0..<300).map { ["v=STSv1; id=\($0);"] }
            },
        ]

        static let spelling = [
            Pitfall(6, "a plus in the id", .nothingAndNoRequest, records: "v=STSv1; id=a+b;"),
            Pitfall(6, "STS-3.1-m: a hyphen in the id", .nothingAndNoRequest, records: "v=STSv1; id=2024-01-01;"),
            Pitfall(6, "an underscore in the id", .nothingAndNoRequest, records: "v=STSv1; id=a_b;"),
            Pitfall(6, "a colon in the id", .nothingAndNoRequest, records: "v=STSv1; id=12:00;"),
            Pitfall(7, "an id of 32", .policy, records: "v=STSv1; id=\(String(repeating: "x", count: 32));"),
            Pitfall(
                7, "an id of 33", .nothingAndNoRequest, records: "v=STSv1; id=\(String(repeating: "x", count: 33));"),
            Pitfall(7, "an empty id", .nothingAndNoRequest, records: "v=STSv1; id=;"),
            Pitfall(7, "no id", .nothingAndNoRequest, records: "v=STSv1;"),
            Pitfall(7, "STS-3.1-h: x-id is not the id", .policy, records: "v=STSv1; x-id=a-b; id=1;"),
            Pitfall(8, "V", .nothingAndNoRequest, records: "V=STSv1; id=1;"),
            Pitfall(8, "stsv1", .nothingAndNoRequest, records: "v=stsv1; id=1;"),
            Pitfall(8, "blanks around the version's equals sign", .nothingAndNoRequest, records: "v = STSv1; id=1;"),
            Pitfall(8, "a blank first", .nothingAndNoRequest, records: " v=STSv1; id=1;"),
            Pitfall(8, "blanks around the id's equals sign", .nothingAndNoRequest, records: "v=STSv1; id = 1;"),
            Pitfall(9, "no final semicolon", .policy, records: "v=STSv1; id=1"),
            Pitfall(9, "a blank after the final semicolon", .policy, records: "v=STSv1; id=1; "),
            Pitfall(9, "STS-3.1-e: two semicolons", .nothingAndNoRequest, records: "v=STSv1;; id=1"),
            Pitfall(10, "STSv10 alone", .nothingAndNoRequest, records: "v=STSv10; id=1;"),
            Pitfall(10, "STSv2 alone", .nothingAndNoRequest, records: "v=STSv2; id=1;"),
            Pitfall(10, "STS-3.1-b: octets beyond ASCII", .nothingAndNoRequest, records: "v=STSv1; id=1; x=é;"),
        ]

        static let whereabouts = ["_mta_sts.", "mta-sts.", "_.mta-sts.", "", "_smtp._tls."].map { owner in
            Pitfall(12, "the record stands at \(owner)DOMAIN", .nothingAndNoRequest) {
                $0.txt = []
                $0.records = ["\(owner)\($0.name). TXT \"v=STSv1; id=1;\""]
            }
        }
    }
}
