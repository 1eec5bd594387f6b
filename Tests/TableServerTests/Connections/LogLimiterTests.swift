import NIOCore
import Testing

@testable import TableServer

@Suite struct LogLimiterTests {
    private func suppressed(_ limiter: LogLimiter, at seconds: Int64) -> String? {
        limiter.admit(now: .uptimeNanoseconds(0) + .seconds(seconds)).map { $0["suppressed"]?.description ?? "none" }
    }

    @Test func `the first event is logged, then one in ten seconds, with the number of the others`() {
        let limiter = LogLimiter()
        #expect(suppressed(limiter, at: 100) == "none")
        for second in 101..<110 { #expect(suppressed(limiter, at: Int64(second)) == nil) }
        #expect(suppressed(limiter, at: 110) == "9")
        #expect(suppressed(limiter, at: 111) == nil)
        #expect(suppressed(limiter, at: 121) == "1")
        #expect(suppressed(limiter, at: 200) == "none")
    }

    @Test func `malformed requests of many connections are one message`() async throws {
        let fixture = TableFixture()
        let start = NIODeadline.now()
        try await fixture.serve { ports in
            for _ in 0..<20 {
                try await TableClient.with(port: ports[0]) { client in
                    let reply = try await client.ask("x", until: ",")
                    #expect(reply.contains("PERM"))
                }
            }
        }
        // On a busy host the 20 connections may take longer than the interval.
        let intervals = Int((NIODeadline.now() - start).nanoseconds / LogLimiter.interval.nanoseconds)
        let messages = fixture.log.messages.count { $0 == "malformed request, closing" }
        #expect((1...1 + intervals).contains(messages))
    }
}
