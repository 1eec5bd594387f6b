import Discovery
import Metrics

/// Measures the queries to another resolver. Answers and errors pass unchanged.
package struct MeteredResolver: Resolver {
    private let base: any Resolver
    private let metrics: DNSMetrics

    package init(_ base: any Resolver, factory: any MetricsFactory) {
        self.base = base
        metrics = DNSMetrics(resolver: "plain", factory: factory)
    }

    package func resolve(_ question: DNSQuestion) async throws(DNSError) -> DNSAnswer {
        try await metrics.measure { () async throws(DNSError) in try await base.resolve(question) }
    }
}

/// Measures the queries to another validating resolver. Answers and errors pass unchanged.
package struct MeteredValidatingResolver: ValidatingResolver {
    private let base: any ValidatingResolver
    private let metrics: DNSMetrics

    package init(_ base: any ValidatingResolver, factory: any MetricsFactory) {
        self.base = base
        metrics = DNSMetrics(resolver: "validating", factory: factory)
    }

    package func resolveValidated(_ question: DNSQuestion) async throws(DNSError) -> ValidatedAnswer {
        try await metrics.measure { () async throws(DNSError) in try await base.resolveValidated(question) }
    }
}
