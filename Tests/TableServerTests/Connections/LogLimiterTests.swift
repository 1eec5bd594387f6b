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
        let shared = ConnectionContext(LookupSettings(), logger: fixture.log.logger())
        try await fixture.run {
            for _ in 0..<20 {
                let channel = try await fixture.connect(.socketmap, shared: shared)
                try await channel.send("x")
                #expect(try await channel.written().contains("PERM"))
            }
        }
        #expect(fixture.log.messages.count { $0 == "malformed request, closing" } == 1)
    }
}
