/// Runs pieces of work one after the other, in the order of the calls.
///
/// Concurrency: any task. A caller that is cancelled still waits for its work, which runs to its end.
actor WorkSequence {
    private var last: Task<Void, Never>?

    func run<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value {
        let task = Task { [last] in
            await last?.value
            return await work()
        }
        last = Task { _ = await task.value }
        return await task.value
    }
}
