import DNSClient
import Discovery
import UnboundDNS

/// A kind of resolver as `ResolverFaultContract` and the benchmark DNSStorm use it.
package struct ResolverUnderTest: Sendable, CustomStringConvertible {
    package let name: String
    /// `servers` are `ip@port` each. `timeout` bounds one question.
    package let make: @Sendable (_ servers: [String], _ timeout: Duration) throws -> Client

    package var description: String { name }

    /// One resolver with its servers.
    package struct Client: Sendable {
        package let ask: @Sendable (_ name: String, _ type: RecordType) async -> Result<DNSAnswer, DNSError>
        package let close: @Sendable () -> Void
    }
}

extension ResolverUnderTest {
    package static let all = [plain, validating]

    /// Without DNSSEC.
    package static let plain = ResolverUnderTest(name: "plain") { servers, timeout in
        let transport = try transport(servers, timeout: timeout)
        let resolver = StubResolver(transport)
        return Client(
            ask: { name, type in
                do throws(DNSError) {
                    return .success(try await resolver.resolve(DNSQuestion(name: name, type: type)))
                } catch {
                    return .failure(error)
                }
            }, close: { transport.close() })
    }

    /// With DNSSEC. Its only trust anchor is of another zone, so that unsigned answers are insecure and need no keys.
    package static let validating = ResolverUnderTest(name: "validating") { servers, timeout in
        let anchors = try TrustAnchors(text: "anchor.invalid. DS 4711 13 2 " + String(repeating: "ab", count: 32))
        let transport = try transport(servers, timeout: timeout)
        let resolver = try UnboundValidator(transport, anchors: anchors)
        return Client(
            ask: { name, type in
                do throws(DNSError) {
                    return .success(try await resolver.resolveValidated(DNSQuestion(name: name, type: type)).answer)
                } catch {
                    return .failure(error)
                }
            },
            close: {
                resolver.close()
                transport.close()
            })
    }

    private static func transport(_ servers: [String], timeout: Duration) throws -> DNSTransport {
        try DNSTransport(servers: servers.map { try NameServer($0) }, settings: .init(timeout: timeout))
    }
}

/// How one question ended.
package struct AskResult: Sendable {
    package let name: String
    package let outcome: Result<DNSAnswer, DNSError>
    package let elapsed: Duration

    /// Whether the answer is the one that `DNSBehavior.echo` gives for this name.
    package var isEcho: Bool { content == .records([DNSBehavior.string(name)]) }

    package var content: DNSAnswer.Content? { try? outcome.get().content }

    package var cause: DNSError.Cause? {
        guard case .failure(let failure) = outcome else { return nil }
        return failure.cause
    }

    /// `good.test: no answer within 1.0 s, after 1.003 s`.
    package var summary: String {
        let end =
            switch outcome {
            case .success(let answer): isEcho ? "answered" : "answered with \(answer.content)"
            case .failure(let failure): "\(failure.cause)"
            }
        return "\(name): \(end), after \(elapsed.seconds) s"
    }
}

extension ResolverUnderTest.Client {
    /// Asks for the TXT records of `name`.
    package func ask(_ name: String) async -> AskResult {
        let started = ContinuousClock.now
        let outcome = await ask(name, .txt)
        return AskResult(name: name, outcome: outcome, elapsed: .now - started)
    }

    /// Asks for all at the same time. The results are in the order of `names`.
    package func ask(all names: [String]) async -> [AskResult] {
        await withTaskGroup(of: (Int, AskResult).self) { group in
            for (index, name) in names.enumerated() { group.addTask { (index, await self.ask(name)) } }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}

extension Duration {
    /// Seconds, rounded to milliseconds.
    package var seconds: Double { (self / .milliseconds(1)).rounded() / 1_000 }
}
