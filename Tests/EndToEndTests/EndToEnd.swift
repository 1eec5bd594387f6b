import Testing

/// Tests of the built `sts-bridge` with real mail: a Postfix sends, other Postfix instances receive, knotd and nginx
/// publish. No part of the bridge is a fake.
///
/// One test network serves all suites. The tests use domains of their own and run serially.
@Suite(.serialized, .inTestNetwork) struct EndToEnd {}

extension TestNetwork {
    /// Expects that Postfix delivered the mail to that host and verified its certificate.
    nonisolated func expectVerified(
        _ delivery: Delivery, at host: MXHost, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await expectDelivered(delivery, at: host, session: "Verified", sourceLocation: sourceLocation)
    }

    /// Expects that Postfix delivered the mail to that host, in a session of that kind (`nil` for no TLS).
    nonisolated func expectDelivered(
        _ delivery: Delivery, at host: MXHost, session: String?, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        expectSent(delivery.first, at: host, session: session, sourceLocation: sourceLocation)
        guard delivery.first.status == "sent" else { return }
        _ = try await eventually("the mail host logs the message") { mx.hasReceived(delivery.message) ? true : nil }
    }

    nonisolated func expectSent(
        _ verdict: Verdict, at host: MXHost, session: String?, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let log = Comment(rawValue: verdict.lines.joined(separator: "\n"))
        #expect(verdict.status == "sent", log, sourceLocation: sourceLocation)
        // Postfix logs the host name in the spelling of the query.
        let relay = "\(host.name)[\(host.address)]:\(host.port)"
        #expect(verdict.relay.lowercased() == relay, log, sourceLocation: sourceLocation)
        #expect(verdict.session(with: host) == session, log, sourceLocation: sourceLocation)
    }

    /// Expects that the mail stays in the queue for that logged reason, and that no mail host received it.
    nonisolated func expectDeferred(
        _ delivery: Delivery, because reason: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let log = Comment(rawValue: delivery.first.lines.joined(separator: "\n"))
        #expect(delivery.first.status == "deferred", log, sourceLocation: sourceLocation)
        #expect(delivery.first.lines.contains { $0.contains(reason) }, log, sourceLocation: sourceLocation)
        #expect(!mx.hasReceived(delivery.message), log, sourceLocation: sourceLocation)
    }
}
