import Discovery
import TestSupport
import Testing

@testable import Monitoring

@Suite struct MeteredResolverTests {
    private let registry = PrometheusRegistry(MetricTable.all)
    private let plain = ScriptedResolver()
    private let validating = ScriptedValidatingResolver()

    private func question(_ name: String) -> DNSQuestion { DNSQuestion(name: name, type: .txt) }

    @Test func `answers pass unchanged, "there is none" too, and are measured`() async throws {
        plain.script(text: ["a"], at: "there.example", timeToLive: 7)
        let resolver = MeteredResolver(plain, factory: registry)
        let answer = try await resolver.resolve(question("there.example"))
        #expect(answer == DNSAnswer(question: answer.question, content: .records([[1, 0x61]]), timeToLive: 7))
        #expect(try await resolver.resolve(question("missing.example")).content == .nameError)
        #expect(registry.value(#"sts_bridge_dns_query_duration_seconds_count{resolver="plain"}"#) == "2")
        #expect(registry.nonZero("sts_bridge_dns_failures_total") == [])
    }

    @Test(arguments: [
        (DNSError.Cause.timedOut(after: .seconds(5)), "timed-out"), (.responseCode(2), "servfail"),
        (.responseCode(5), "refused"), (.responseCode(4), "response-code"), (.aliasChainTooLong, "aliases"),
        (.malformedAnswer("x"), "malformed"), (.bogus("x"), "bogus"), (.resolver("x"), "resolver"),
    ])
    func `failures pass unchanged and are counted by cause`(cause: DNSError.Cause, word: String) async {
        plain.script("bad.example", type: .txt, reply: .failure(cause))
        validating.script("bad.example", type: .txt, reply: .failure(cause))
        let failure = await #expect(throws: DNSError.self) {
            try await MeteredResolver(plain, factory: registry).resolve(question("bad.example"))
        }
        #expect(failure?.cause == cause)
        await #expect(throws: DNSError.self) {
            try await MeteredValidatingResolver(validating, factory: registry)
                .resolveValidated(question("bad.example"))
        }
        #expect(
            registry.nonZero("sts_bridge_dns_failures_total") == [
                #"sts_bridge_dns_failures_total{resolver="plain",cause="\#(word)"} 1"#,
                #"sts_bridge_dns_failures_total{resolver="validating",cause="\#(word)"} 1"#,
            ])
        #expect(registry.value(#"sts_bridge_dns_query_duration_seconds_count{resolver="validating"}"#) == "1")
    }

    @Test func `a cancelled query is neither measured nor counted`() async {
        plain.script("bad.example", type: .txt, reply: .failure(.cancelled))
        await #expect(throws: DNSError.self) {
            try await MeteredResolver(plain, factory: registry).resolve(question("bad.example"))
        }
        #expect(registry.nonZero("sts_bridge_dns_failures_total") == [])
        #expect(registry.value(#"sts_bridge_dns_query_duration_seconds_count{resolver="plain"}"#) == "0")
    }
}

extension PrometheusRegistry {
    /// The value of one sample, as text.
    func value(_ series: String) -> String? {
        let line = text().split(separator: "\n").first { $0.hasPrefix(series + " ") }
        return line.map { String($0.dropFirst(series.count + 1)) }
    }

    /// The samples of a metric that are not 0.
    func nonZero(_ name: String) -> [String] {
        text().split(separator: "\n").map(String.init)
            .filter { ($0.hasPrefix(name + "{") || $0.hasPrefix(name + " ")) && !$0.hasSuffix(" 0") }
    }
}
