import Foundation
import Testing

extension EndToEnd {
    /// Pitfalls 18–35: the policy host. 36 is in `PolicyChanges`; 37 (jitter) shows only over hours.
    @Suite struct PolicyHostPitfalls {
        @Test func `pitfalls 18 to 23: only a certificate for the policy host itself counts`() async throws {
            try await TestNetwork.running.check(Self.certificates, section: "b")
        }

        @Test func `pitfalls 24 to 31 and 33: only an honest 200 with a text counts`() async throws {
            let network = try TestNetwork.running
            let statuses = [204, 206, 401, 403, 404, 410, 500, 503].map { status in
                Pitfall(26, name: "status \(status)", expect: .fetchFailed) {
                    $0.policyHost?.location = "return \(status);"
                }
            }
            try await network.check(statuses + Self.redirects + Self.elsewhere + Self.types + Self.sizes, section: "b")
        }

        @Test func `pitfalls 32, 34 and 35: slow and unreachable hosts, and hosts with one protocol`() async throws {
            try await TestNetwork.running.check(Self.connections, section: "b")
        }

        @Test func `pitfalls 26 and 27, STS-3.2-a, STS-3.3-j: a failed fetch is tried once, with an honest User-Agent`()
            async throws
        {
            let network = try TestNetwork.running
            let domain = TestDomain("forbidden.example").with { $0.policyHost?.location = "return 403;" }
            try await network.publish(domain)
            for _ in 0..<3 { #expect(try await SocketmapClient.ask(domain.name) == "NOTFOUND ") }
            let requests = network.web.requests(to: domain.policyHostName)
            #expect(requests.count == 1, "five minutes for the same id")
            let request = try #require(requests.first)
            #expect(request.contains("GET /.well-known/mta-sts.txt 403"))
            #expect(request.contains("\"-\" \"-\" \"-\" sts-bridge"), "no conditions, no encodings, an honest name")
            #expect(request.contains("+http"), "pitfall 27: and an address to write to: \(request)")
        }

        static let certificates = [
            Pitfall(18, name: "a CNAME to a provider that has our certificate", expect: .policy) {
                $0.policyHost?.alias = "web.provider.example"
            },
            Pitfall(18, name: "a CNAME to a provider that has only its own", expect: .certificateRefused) {
                $0.policyHost?.alias = "web.provider.example"
                $0.policyHost?.certificate = .naming(["web.provider.example", "mta-sts.provider.example"])
            },
            shows(18, name: "the certificate names the policy domain only", expect: .certificateRefused) {
                .naming([$0, "www.\($0)"])
            },
            shows(19, name: "expired", expect: .certificateRefused) { .expired(["mta-sts.\($0)"]) },
            shows(20, name: "the intermediate is missing", expect: .certificateRefused) {
                .missingIntermediate(["mta-sts.\($0)"])
            },
            shows(21, name: "self-signed", expect: .certificateRefused) { .selfSigned(["mta-sts.\($0)"]) },
            shows(21, name: "an authority of their own", expect: .certificateRefused) {
                .otherAuthority(["mta-sts.\($0)"])
            },
            shows(21, name: "the name in the subject only", expect: .certificateRefused) {
                .commonNameOnly("mta-sts.\($0)")
            },
            shows(22, name: "a wildcard for one label", expect: .policy) { .naming(["*.\($0)"]) },
            shows(22, name: "a wildcard one level too high", expect: .certificateRefused) { _ in .naming(["*.example"])
            },
            shows(22, name: "a wildcard for a part of a label", expect: .certificateRefused) {
                .naming(["mta-*.\($0)", "*sts.\($0)"])
            },
            // In all tests: without the right SNI, nginx shows a certificate for another name.
            shows(23, name: "one of several names", expect: .policy) { .naming([$0, "mta-sts.\($0)", "www.\($0)"]) },
        ]

        /// The policy host has this certificate, made from the name of the domain.
        static func shows(
            _ number: Int, name: String, expect expected: Pitfall.Expected,
            certificate: @escaping @Sendable (String) -> Certificate
        ) -> Pitfall {
            Pitfall(number, name: name, expect: expected) {
                let name = $0.name
                $0.policyHost?.certificate = certificate(name)
            }
        }

        static let redirects = [301, 302, 303, 307, 308].flatMap { status in
            [
                "https://mta-sts.provider.example/.well-known/mta-sts.txt", "https://$host/elsewhere/mta-sts.txt",
                "http://$host/.well-known/mta-sts.txt",
            ].map { target in
                Pitfall(24, name: "\(status) to \(target)", expect: .fetchFailed) {
                    $0.policyHost?.location = "return \(status) \(target);"
                    $0.policyHost?.files = ["/elsewhere/mta-sts.txt": Policy.enforce()]
                }
            }
        }

        static let elsewhere = ["/mta-sts.txt", "/.well-known/MTA-STS.txt", "/.well-known/mta-sts"].map { path in
            Pitfall(25, name: "the file is at \(path)", expect: .fetchFailed) {
                $0.policyHost?.location = "return 404;"
                $0.policyHost?.files = [path: Policy.enforce()]
            }
        }

        static let types =
            [
                ("text/html", Pitfall.Expected.fetchFailed), ("application/octet-stream", .fetchFailed),
                ("", .fetchFailed),
                ("text/plainly", .fetchFailed), ("text/plain; charset=UTF-8; x=y", .policy), ("Text/Plain", .policy),
                ("text/plain;charset=utf-16", .policy),
            ].map { type, expected in
                Pitfall(expected == .policy ? 30 : 29, name: "Content-Type \"\(type)\"", expect: expected) {
                    $0.policyHost?.location = "default_type \"\(type)\";"
                }
            } + [
                Pitfall(28, name: "an error page with status 200", expect: .fetchFailed) {
                    $0.policyHost?.location = "default_type text/html;"
                    $0.policyHost?.body = Data("<!DOCTYPE html><html><title>Parking</title></html>".utf8)
                },
                Pitfall(28, name: "the same, called text/plain", expect: .policyInvalid) {
                    $0.policyHost?.body = Data("<!DOCTYPE html>\n<html><title>Parking</title></html>\n".utf8)
                },
                Pitfall(31, name: "a body said to be encoded", expect: .fetchFailed) {
                    $0.policyHost?.location = "default_type text/plain; add_header Content-Encoding br;"
                },
                Pitfall(31, name: "a body that is encoded", expect: .fetchFailed) {
                    $0.policyHost?.location = "default_type text/plain; add_header Content-Encoding gzip;"
                    $0.policyHost?.body = Data(base64Encoded: Self.gzippedPolicy) ?? Data()
                },
            ]

        static let sizes = [(65_536, Pitfall.Expected.policy), (65_537, .fetchFailed), (10_000_000, .fetchFailed)].map {
            size, expected in
            Pitfall(33, name: "a policy of \(size) octets", expect: expected) {
                let policy = Policy.enforce()
                let filler = String(repeating: "x: yyyyyyy\n", count: (size - policy.utf8.count) / 11)
                let rest = size - policy.utf8.count - filler.utf8.count
                let end =
                    rest == 0
                    ? ""
                    : rest < 5
                        ? String(repeating: "\n", count: rest)
                        : "x: " + String(repeating: "y", count: rest - 4) + "\n"
                $0.policyHost?.body = Data((policy + filler + end).utf8)
            }
        }

        static let connections = [
            Pitfall(32, name: "drop by drop", expect: .fetchFailed) {
                $0.policyHost?.location = "default_type text/plain; limit_rate 10;"
                $0.policyHost?.body = Data((Policy.enforce() + String(repeating: "x: y\n", count: 400)).utf8)
            },
            Pitfall(32, name: "connected, and then no answer", expect: .fetchFailed) {
                $0.policyHost?.addresses = [SilentAddresses.mute]
            },
            Pitfall(34, name: "nobody at home", expect: .fetchFailed) {
                $0.policyHost?.addresses = [PolicyHost.refusing]
            },
            Pitfall(34, name: "IPv6 only", expect: .policy) { $0.policyHost?.addresses = [PolicyHost.overIPv6] },
            Pitfall(34, name: "IPv6 is dead", expect: .policy) {
                $0.policyHost?.addresses = [PolicyHost.refusingIPv6, PolicyHost.usual]
            },
            Pitfall(34, name: "IPv4 is dead", expect: .policy) {
                $0.policyHost?.addresses = [PolicyHost.refusing, PolicyHost.overIPv6]
            },
            Pitfall(34, name: "one of two refuses", expect: .policy) {
                $0.policyHost?.addresses = [PolicyHost.refusing, PolicyHost.usual]
            },
            Pitfall(34, name: "one of two swallows what it gets", expect: .policy) {
                $0.policyHost?.addresses = [SilentAddresses.dropping, PolicyHost.usual]
            },
            Pitfall(35, name: "HTTP/1.1 only", expect: .policy) {
                $0.policyHost?.addresses = [PolicyHost.withoutHTTP2]
            },
            Pitfall(35, name: "HTTP/2 only", expect: .policy) {
                $0.policyHost?.server = "if ($server_protocol != HTTP/2.0) { return 505; }"
            },
            Pitfall(35, name: "STS-7.2-a: TLS 1.1 only", expect: .fetchFailed) {
                $0.policyHost?.addresses = [PolicyHost.oldTLS]
            },
        ]

        /// `Policy.enforce()` through `gzip -n`.
        static let gzippedPolicy =
            "H4sIAAAAAAAAAytLLSrOzM+zUggOCS4z5OXKzU9JtVJIzUvLL0pOBXIrrBTS8/NT9HIr9FIrEnMLckCCiRXxielAZWYGJhYGBrxcAJFIjfhFAAAA"
    }
}
