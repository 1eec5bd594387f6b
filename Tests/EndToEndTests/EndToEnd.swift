import Testing

/// What the whole promises, shown on real mail: a real Postfix sends, real Postfix instances receive, knotd and nginx
/// publish, and the built `sts-bridge` stands between them. Nothing of ours is replaced.
///
/// The laboratory is started once for all that is in here; tests use domains of their own and run one after another.
@Suite(.serialized, .inLaboratory) struct EndToEnd {}

extension Lab {
    /// The mail went to that host, over a connection on which Postfix verified the host's certificate.
    nonisolated func expectVerified(
        _ delivery: Delivery, at host: MXHost, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await expectDelivered(delivery, at: host, session: "Verified", sourceLocation: sourceLocation)
    }

    /// The mail went to that host, over a connection of that kind (nil: without TLS).
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
        // Postfix shows the host's name in the spelling of the question.
        let relay = "\(host.name)[\(host.address)]:\(host.port)"
        #expect(verdict.relay.lowercased() == relay, log, sourceLocation: sourceLocation)
        #expect(verdict.session(with: host) == session, log, sourceLocation: sourceLocation)
    }

    /// The mail waits in the queue, for the reason that the log gives, and no host has seen it.
    nonisolated func expectDeferred(
        _ delivery: Delivery, because reason: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let log = Comment(rawValue: delivery.first.lines.joined(separator: "\n"))
        #expect(delivery.first.status == "deferred", log, sourceLocation: sourceLocation)
        #expect(delivery.first.lines.contains { $0.contains(reason) }, log, sourceLocation: sourceLocation)
        #expect(!mx.hasReceived(delivery.message), log, sourceLocation: sourceLocation)
    }
}
