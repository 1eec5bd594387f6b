import AdminAPI
import AdminServer
import Foundation
import Testing
import TestSupport

/// Requests that are invalid, too long, too slow, or too many.
@Suite(.timeLimit(.minutes(5))) struct AdminRequestTests {
    @Test(
        arguments: [
            ("GET", "/v1/nothing", nil, 404, "no such route: GET /v1/nothing"),
            ("POST", "/v1/status", nil, 404, "no such route: POST /v1/status"),
            ("GET", "/", nil, 404, "no such route"),
            ("GET", "/v1/status?verbose=true", nil, 400, "unknown parameter verbose"),
            ("GET", "/v1/entries?state=enforced", nil, 400, "state is \"enforced\""),
            ("GET", "/v1/entries?state=enforce,", nil, 400, "state is \"enforce,\""),
            ("GET", "/v1/entries?limit=0", nil, 400, "limit is \"0\""),
            ("GET", "/v1/entries?limit=1001", nil, 400, "limit is"),
            ("GET", "/v1/entries?expiringWithin=7d", nil, 400, "expiringWithin is \"7d\""),
            ("GET", "/v1/entries?sort=size", nil, 400, "sort is \"size\""),
            ("GET", "/v1/entries?after=!", nil, 400, "after is \"!\""),
            ("GET", "/v1/entries?failing=1", nil, 400, "failing is \"1\""),
            ("GET", "/v1/entries?text=a&text=b", nil, 400, "parameter text occurs twice"),
            ("GET", "/v1/entries/localhost", nil, 400, "\"localhost\" is not a domain"),
            ("GET", "/v1/entries/%1b%5b31m", nil, 400, "\"\\x1B[31m\" is not a domain"),
            ("GET", "/v1/entries/missing.example", nil, 404, "missing.example is not in the cache"),
            ("DELETE", "/v1/entries/missing.example", nil, 404, "missing.example is not in the cache"),
            ("GET", "/v1/explain/.example.com", nil, 400, "is not a domain"),
            ("PUT", "/v1/exemptions/a.example", "", 400, "the body is not a JSON object"),
            ("PUT", "/v1/exemptions/a.example", "[]", 400, "the body is not a JSON object"),
            ("PUT", "/v1/exemptions/a.example", "{}", 400, "reason is missing"),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":7}", 400, "reason: "),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":\"\"}", 400, "the reason must be"),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":\"a\\nb\"}", 400, "the reason must be"),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":\"r\",\"untill\":\"x\"}", 400, "unknown property untill"),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":\"r\",\"until\":\"soon\"}", 400, "until: expected a time"),
            (
                "PUT", "/v1/exemptions/a.example", "{\"reason\":\"r\",\"until\":\"2020-01-01T00:00:00Z\"}", 400,
                "the end must be later"
            ),
            (
                "PUT", "/v1/exemptions/a.example", "{\"reason\":\"r\",\"as\":\"none\"}", 400,
                "as: \"none\" is unknown, expected not-found, may"
            ),
            ("PUT", "/v1/exemptions/a", "{\"reason\":\"r\"}", 400, "\"a\" is not a domain"),
            ("PUT", "/v1/pins/a.example", "{\"reason\":\"r\",\"match\":[\"**\"]}", 400, "\"**\" is not a name"),
            ("PUT", "/v1/pins/a.example", "{\"reason\":\"r\",\"match\":[\"mx\"]}", 400, "no MX host can be named mx"),
            ("PUT", "/v1/observe", "{\"observing\":\"on\"}", 400, "observing: "),
            ("GET", "/v1/pins/a.example", nil, 404, "a.example is not pinned"),
        ] as [(String, String, String?, Int, String)])
    func `an invalid request is refused with the reason`(
        method: String, target: String, body: String?, status: Int, error: String
    ) async throws {
        let fixture = try AdminFixture()
        try await fixture.serve {
            try await RawClient.with(path: fixture.path) { client in
                let response = try await client.request(method, target: target, body: body)
                #expect(response.status == status)
                #expect(response.problem?.error.contains(error) == true, "\(response.body)")
                #expect(response.head.lowercased().contains("content-type: application/json"))
                #expect(!response.body.contains("\u{1b}"))
                // The connection stays open.
                let next = try await client.request("GET", target: "/v1/observe")
                #expect(next.status == 200)
            }
            #expect(fixture.policies.overrides() == [])
            #expect(!fixture.policies.isObserving)
        }
    }

    @Test func `a body of more than 64 KiB is refused`() async throws {
        let fixture = try AdminFixture()
        try await fixture.serve {
            try await RawClient.with(path: fixture.path) { client in
                let body = "{\"reason\":\"" + String(repeating: "x", count: 70_000) + "\"}"
                let response = try await client.request("PUT", target: "/v1/exemptions/a.example", body: body)
                #expect(response.status == 413)
                #expect(response.problem?.error == "the body is longer than 65536 octets")
            }
        }
    }

    @Test func `a body that does not arrive ends the request`() async throws {
        let fixture = try AdminFixture()
        var limits = AdminService.Limits()
        limits.bodyTimeout = .milliseconds(200)
        try await fixture.serve(limits: limits) {
            try await RawClient.with(path: fixture.path) { client in
                try await client.send("PUT /v1/observe HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
                let answer = try await client.receive(until: "}")
                #expect(answer.hasPrefix("HTTP/1.1 408"), "\(answer)")
                #expect(answer.contains("the body did not arrive within"))
            }
            #expect(!fixture.policies.isObserving)
        }
    }

    @Test func `a quiet connection is closed`() async throws {
        let fixture = try AdminFixture()
        var limits = AdminService.Limits()
        limits.idleTimeout = .milliseconds(200)
        try await fixture.serve(limits: limits) {
            // A second close of the connection throws.
            let answer = try? await RawClient.with(path: fixture.path) { try await $0.receive(until: "never") }
            #expect(answer ?? "" == "")
        }
    }

    @Test(arguments: ["\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n"])
    func `octets that are not HTTP end their connection and nothing else`(garbage: String) async throws {
        let fixture = try AdminFixture()
        var limits = AdminService.Limits()
        // Empty lines before a request are allowed, so they alone end by the idle timeout.
        limits.idleTimeout = .milliseconds(300)
        try await fixture.serve(limits: limits) {
            let answer = try? await RawClient.with(path: fixture.path) { client in
                try await client.send(garbage)
                return try await client.receive(until: "\r\n\r\n")
            }
            #expect(answer ?? "" == "" || answer?.hasPrefix("HTTP/1.1 400") == true)
            _ = try await AdminClient(path: fixture.path).get(.observe, as: ObserveModeResponse.self)
        }
    }

    @Test func `an endless header is not read for ever`() async throws {
        let fixture = try AdminFixture()
        try await fixture.serve {
            try await RawClient.with(path: fixture.path) { client in
                let header = "GET /v1/status HTTP/1.1\r\nX: " + String(repeating: "x", count: 200_000)
                try? await client.send(header)
                let answer = try await client.receive(until: "\r\n\r\n")
                #expect(answer == "" || answer.hasPrefix("HTTP/1.1 4"), "\(answer.prefix(200))")
            }
        }
    }

    @Test func `connections beyond the limit wait until one has ended`() async throws {
        let fixture = try AdminFixture()
        var limits = AdminService.Limits()
        limits.connections = 2
        try await fixture.serve(limits: limits) {
            try await RawClient.with(path: fixture.path) { first in
                _ = try await first.request("GET", target: "/v1/observe")
                try await RawClient.with(path: fixture.path) { second in
                    _ = try await second.request("GET", target: "/v1/observe")
                }
                async let third = RawClient.with(path: fixture.path) {
                    try await $0.request("GET", target: "/v1/observe").status
                }
                #expect(try await third == 200)
            }
        }
    }

    @Test func `stopping does not wait for ever for a peer that does not read`() async throws {
        let names = (0..<16_000).map { "domain-number-\($0).example" }
        let now = ManualTime().now
        let fixture = try AdminFixture(store: MemoryPolicyStore(try names.map { try storedPolicy($0, at: now) }))
        var limits = AdminService.Limits()
        limits.shutdownTimeout = .milliseconds(200)
        // Only the shutdown may end the connection.
        limits.idleTimeout = .seconds(3_600)
        let gate = Gate()
        async let deaf: Void = {
            await fixture.log.appearance(of: "policies loaded")
            try await RawClient.with(path: fixture.path) { client in
                try await client.send("GET /v1/entries?all=true HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await client.receive(until: "\n")
                gate.open()
                await fixture.log.appearance(of: "the API has ended")
            }
        }()
        try await fixture.serve(limits: limits) { await gate.pass() }
        fixture.log.logger().info("the API has ended")
        try await deaf
    }
}
