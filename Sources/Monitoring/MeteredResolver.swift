import Discovery
import Metrics

/// A resolver whose questions are measured. Answers and failures pass unchanged.
package struct MeteredResolver: Resolver {
    private let base: any Resolver
    private let metrics: DNSMetrics

    package init(_ base: any Resolver, factory: any MetricsFactory) {
        self.base = base
        metrics = DNSMetrics(resolver: "plain", factory: factory)
    }

    package func resolve(_ question: DNSQuestion) async throws(DNSFailure) -> DNSAnswer {
        try await metrics.measure { () async throws(DNSFailure) in try await base.resolve(question) }
    }
}

/// The same for a validating resolver.
package struct MeteredValidatingResolver: ValidatingResolver {
    private let base: any ValidatingResolver
    private let metrics: DNSMetrics

    package init(_ base: any ValidatingResolver, factory: any MetricsFactory) {
        self.base = base
        metrics = DNSMetrics(resolver: "validating", factory: factory)
    }

    package func resolveValidated(_ question: DNSQuestion) async throws(DNSFailure) -> ValidatedAnswer {
        try await metrics.measure { () async throws(DNSFailure) in try await base.resolveValidated(question) }
    }
}
