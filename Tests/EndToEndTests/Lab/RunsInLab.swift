import Testing

/// Starts the laboratory once for a suite with all that is in it, and ends it afterwards.
struct RunsInLab: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await Lab.during(function)
    }
}

extension Trait where Self == RunsInLab {
    static var inLaboratory: Self { Self() }
}
