import Admin
import Foundation
import Testing
import TestSupport

/// What is asked wrongly, too long, too slowly, or by too many.
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
            ("GET", "/v1/entries?text=a&text=b", nil, 400, "parameter text stands there twice"),
            ("GET", "/v1/entries/localhost", nil, 400, "\"localhost\" names no domain"),
            ("GET", "/v1/entries/%1b%5b31m", nil, 400, "\"\\x1B[31m\" names no domain"),
            ("GET", "/v1/entries/nobody.example", nil, 404, "nobody.example is not in the cache"),
            ("DELETE", "/v1/entries/nobody.example", nil, 404, "nobody.example is not in the cache"),
            ("GET", "/v1/explain/.example.com", nil, 400, "names no domain"),
            ("PUT", "/v1/exemptions/a.example", "", 400, "the body is no JSON object"),
            ("PUT", "/v1/exemptions/a.example", "[]", 400, "the body is no JSON object"),
            ("PUT", "/v1/exemptions/a.example", "{}", 400, "reason is missing"),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":7}", 400, "reason: "),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":\"\"}", 400, "the reason must be"),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":\"a\\nb\"}", 400, "the reason must be"),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":\"r\",\"untill\":\"x\"}", 400, "unknown name untill"),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":\"r\",\"until\":\"soon\"}", 400, "until: expected a time"),
            (
                "PUT", "/v1/exemptions/a.example", "{\"reason\":\"r\",\"until\":\"2020-01-01T00:00:00Z\"}", 400,
                "the end must be later"
            ),
            ("PUT", "/v1/exemptions/a.example", "{\"reason\":\"r\",\"as\":\"none\"}", 400, "as is \"none\""),
            ("PUT", "/v1/exemptions/a", "{\"reason\":\"r\"}", 400, "\"a\" names no domain"),
            ("PUT", "/v1/pins/a.example", "{\"reason\":\"r\",\"match\":[\"**\"]}", 400, "\"**\" is no name"),
            ("PUT", "/v1/pins/a.example", "{\"reason\":\"r\",\"match\":[\"mx\"]}", 400, "no MX host can be named mx"),
            ("PUT", "/v1/observe", "{\"observing\":\"on\"}", 400, "observing: "),
            ("GET", "/v1/pins/a.example", nil, 404, "a.example is not pinned"),
        ] as [(String, String, String?, Int, String)])
    func `what is asked wrongly is refused with what is wrong`(
        method: String, target: String, body: String?, status: Int, error: String
    ) async throws {
        let lab = try AdminLab()
        try await lab.serve {
            try await RawClient.with(path: lab.path) { client in
                let response = try await client.request(method, target, body)
                #expect(response.status == status)
                #expect(response.problem?.error.contains(error) == true, "\(response.body)")
                #expect(response.head.lowercased().contains("content-type: application/json"))
                #expect(!response.body.contains("\u{1b}"))
                // The connection goes on.
                let next = try await client.request("GET", "/v1/observe")
                #expect(next.status == 200)
            }
            #expect(lab.policies.overrides() == [])
            #expect(!lab.policies.isObserving)
        }
    }

    @Test func `a body of more than 64 KiB is refused`() async throws {
        let lab = try AdminLab()
        try await lab.serve {
            try await RawClient.with(path: lab.path) { client in
                let body = "{\"reason\":\"" + String(repeating: "x", count: 70_000) + "\"}"
                let response = try await client.request("PUT", "/v1/exemptions/a.example", body)
                #expect(response.status == 413)
                #expect(response.problem?.error == "the body is longer than 65536 octets")
            }
        }
    }

    @Test func `a body that does not come is not waited for`() async throws {
        let lab = try AdminLab()
        var limits = AdminService.Limits()
        limits.body = .milliseconds(200)
        try await lab.serve(limits: limits) {
            try await RawClient.with(path: lab.path) { client in
                try await client.send("PUT /v1/observe HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
                let answer = try await client.receive(until: "}")
                #expect(answer.hasPrefix("HTTP/1.1 408"), "\(answer)")
                #expect(answer.contains("the body has not come within"))
            }
            #expect(!lab.policies.isObserving)
        }
    }

    @Test func `a connection on which nothing is asked ends`() async throws {
        let lab = try AdminLab()
        var limits = AdminService.Limits()
        limits.idle = .milliseconds(200)
        try await lab.serve(limits: limits) {
            // Closing it once more is no success.
            let answer = try? await RawClient.with(path: lab.path) { try await $0.receive(until: "never") }
            #expect(answer ?? "" == "")
        }
    }

    @Test(arguments: ["\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n"])
    func `what is no HTTP ends its connection and no more`(garbage: String) async throws {
        let lab = try AdminLab()
        var limits = AdminService.Limits()
        // Empty lines in front of a request are allowed, so of those alone the end is silence.
        limits.idle = .milliseconds(300)
        try await lab.serve(limits: limits) {
            let answer = try? await RawClient.with(path: lab.path) { client in
                try await client.send(garbage)
                return try await client.receive(until: "\r\n\r\n")
            }
            #expect(answer ?? "" == "" || answer?.hasPrefix("HTTP/1.1 400") == true)
            try await AdminClient.with(path: lab.path) { client in
                _ = try await client.get(.observe, as: Observation.self)
            }
        }
    }

    @Test func `a header without an end is not read for ever`() async throws {
        let lab = try AdminLab()
        try await lab.serve {
            try await RawClient.with(path: lab.path) { client in
                let header = "GET /v1/status HTTP/1.1\r\nX: " + String(repeating: "x", count: 200_000)
                try? await client.send(header)
                let answer = try await client.receive(until: "\r\n\r\n")
                #expect(answer == "" || answer.hasPrefix("HTTP/1.1 4"), "\(answer.prefix(200))")
            }
        }
    }

    @Test func `connections beyond the limit wait until one has ended`() async throws {
        let lab = try AdminLab()
        var limits = AdminService.Limits()
        limits.connections = 2
        try await lab.serve(limits: limits) {
            try await RawClient.with(path: lab.path) { first in
                _ = try await first.request("GET", "/v1/observe")
                try await RawClient.with(path: lab.path) { second in
                    _ = try await second.request("GET", "/v1/observe")
                }
                async let third = RawClient.with(path: lab.path) { try await $0.request("GET", "/v1/observe").status }
                #expect(try await third == 200)
            }
        }
    }

    @Test func `stopping does not wait for ever for a peer that does not read`() async throws {
        let names = (0..<16_000).map { "domain-number-\($0).example" }
        let now = ManualTime().now
        let lab = try AdminLab(archive: MemoryArchive(try names.map { try archived($0, at: now) }))
        var limits = AdminService.Limits()
        limits.patience = .milliseconds(200)
        // Nothing else is to end the connection.
        limits.idle = .seconds(3_600)
        let gate = Gate()
        async let deaf: Void = {
            await lab.log.appearance(of: "policies loaded")
            try await RawClient.with(path: lab.path) { client in
                try await client.send("GET /v1/entries?all=true HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await client.receive(until: "\n")
                gate.open()
                await lab.log.appearance(of: "the API has ended")
            }
        }()
        try await lab.serve(limits: limits) { await gate.pass() }
        lab.log.logger().info("the API has ended")
        try await deaf
    }
}
