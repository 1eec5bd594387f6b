/// Runs tasks on the transport's thread. A task that asks a question then continues where the answer arrives: it needs no switch
/// to another thread, neither for the question nor for the answer.
///
/// Concurrency: any thread may enqueue. When the transport has ended, Swift's own executor runs the tasks.
/// Limits: the tasks share the thread with all DNS queries, so they must not compute for long, and never block.
final class TransportExecutor: TaskExecutor {
    private let commandQueue: CommandQueue

    init(_ commandQueue: CommandQueue) {
        self.commandQueue = commandQueue
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if !commandQueue.append(job: job) { Self.runElsewhere(job) }
    }

    /// Runs a job that comes too late for the transport.
    static func runElsewhere(_ job: UnownedJob) {
        globalConcurrentExecutor.enqueue(ExecutorJob(job))
    }
}
