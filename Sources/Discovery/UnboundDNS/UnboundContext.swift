import CUnbound
import Dispatch
import Glibc
import Synchronization

/// The security of an answer of libunbound. Without the validator module everything is insecure.
enum DNSSECVerdict: Equatable, Sendable {
    case secure
    case insecure
    /// libunbound's reason. Untrusted: it contains names and addresses of others.
    case bogus(reason: String)

    init(_ result: ub_result) {
        if result.bogus != 0 {
            self = .bogus(reason: result.why_bogus.map { String(cString: $0) } ?? "libunbound gives no reason")
        } else {
            self = result.secure != 0 ? .secure : .insecure
        }
    }
}

/// One asynchronous libunbound context: any number of open questions, and one thread of libunbound.
///
/// Concurrency: Everything except `ask` and `close` runs on `queue`.
/// Errors: Each question has exactly one `QuestionResult`: the first of answer, time-out, cancellation and closing.
/// Not here: the meaning of a packet (ResponseParser).
final class UnboundContext: @unchecked Sendable {
    // Unchecked: `context` and `questions` are used on `queue` only, which dispatchPrecondition checks.
    private let queue = DispatchQueue(label: "sts-bridge.unbound")
    private var context: OpaquePointer?
    private var questions: [UInt64: Question] = [:]
    private let source: any DispatchSourceRead
    private let nextID = Atomic<UInt64>(0)
    /// Entered while the C context exists.
    private let contextGroup = DispatchGroup()

    /// The end of a question.
    enum QuestionResult: Sendable {
        case packet([UInt8], DNSSECVerdict)
        case failed(code: Int32)
        case timedOut
        case cancelled
    }

    /// Serialises the creation of contexts, because libunbound's parser, finalisation and log are process-wide.
    private static let creation = Mutex<Void>(())

    init(configuration: String) throws(UnboundSetupError) {
        let created = Self.creation.withLock { _ in
            Result { () throws(UnboundSetupError) in try Self.make(configuration) }
        }
        let context = try created.get()
        self.context = context.pointer
        source = DispatchSource.makeReadSource(fileDescriptor: ub_fd(context.pointer), queue: queue)
        source.setEventHandler { [weak self] in self?.process() }
        // The context owns the descriptor, so free it after the source is cancelled.
        contextGroup.enter()
        source.setCancelHandler { [contextGroup] in
            ub_ctx_delete(context.pointer)
            contextGroup.leave()
        }
        source.activate()
    }

    deinit {
        // No question is open, because each retains the context.
        source.cancel()
    }

    /// Sends a question, and waits for the first of answer, `deadline`, cancellation of the task, and `close`.
    func ask(name: String, type: UInt16, deadline: DispatchTime) async -> QuestionResult {
        let id = nextID.add(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                queue.async { self.begin(id, name: name, type: type, continuation: continuation) }
                queue.asyncAfter(deadline: deadline) { [weak self] in self?.end(id, with: .timedOut) }
                // A cancellation before `begin` found no question. The flag is set before the handler runs.
                if Task.isCancelled { queue.async { self.end(id, with: .cancelled) } }
            }
        } onCancel: {
            queue.async { self.end(id, with: .cancelled) }
        }
    }

    /// Ends every question with `.cancelled` and frees the context. Later questions end at once.
    func close() {
        queue.async {
            // First remove the questions. Then no callback can find one, and deleting the context makes no callbacks.
            self.context = nil
            let open = self.questions
            self.questions = [:]
            self.source.cancel()
            for question in open.values { question.continuation.resume(returning: .cancelled) }
        }
    }

    /// Returns when the context is freed, after `close`.
    func waitUntilFreed() async {
        await withUnsafeContinuation { continuation in contextGroup.notify(queue: queue) { continuation.resume() } }
    }

    // MARK: On the queue

    /// An open question. `questions` retains it while libunbound may call back with its address: until the callback has run,
    /// `ub_cancel` was called, or the context is freed. Callbacks and `ub_cancel` run on the queue, so they do not overlap.
    private final class Question {
        unowned let owner: UnboundContext
        let id: UInt64
        let continuation: UnsafeContinuation<QuestionResult, Never>
        var asyncID: Int32 = 0

        init(owner: UnboundContext, id: UInt64, continuation: UnsafeContinuation<QuestionResult, Never>) {
            self.owner = owner
            self.id = id
            self.continuation = continuation
        }
    }

    private func begin(
        _ id: UInt64, name: String, type: UInt16, continuation: UnsafeContinuation<QuestionResult, Never>
    ) {
        dispatchPrecondition(condition: .onQueue(queue))
        guard let context else { return continuation.resume(returning: .cancelled) }
        let question = Question(owner: self, id: id, continuation: continuation)
        let code = ub_resolve_async(
            context, name, Int32(type), 1, Unmanaged.passUnretained(question).toOpaque(), Self.resultReceived,
            &question.asyncID)
        guard code == 0 else { return continuation.resume(returning: .failed(code: code)) }
        questions[id] = question
    }

    private func process() {
        dispatchPrecondition(condition: .onQueue(queue))
        guard let context else { return }
        let code = ub_process(context)
        guard code != 0 else { return }
        // The pipe from libunbound's thread is broken, so there are no more answers.
        for id in questions.keys { end(id, with: .failed(code: code)) }
    }

    /// The first call removes the question; later calls have no effect.
    private func end(_ id: UInt64, with result: QuestionResult) {
        dispatchPrecondition(condition: .onQueue(queue))
        guard let question = questions.removeValue(forKey: id) else { return }
        if let context { ub_cancel(context, question.asyncID) }
        question.continuation.resume(returning: result)
    }

    /// `ub_process` calls it on the queue.
    private static let resultReceived:
        @convention(c) (UnsafeMutableRawPointer?, Int32, UnsafeMutablePointer<ub_result>?) -> Void = {
            address, code, result in
            defer { ub_resolve_free(result) }
            guard let address else { return }
            let question = Unmanaged<Question>.fromOpaque(address).takeUnretainedValue()
            question.owner.questions[question.id] = nil
            guard code == 0, let result, let packet = result.pointee.answer_packet else {
                return question.continuation.resume(returning: .failed(code: code == 0 ? UB_NOMEM.code : code))
            }
            let bytes = UnsafeRawBufferPointer(start: packet, count: Int(result.pointee.answer_len))
            question.continuation.resume(returning: .packet([UInt8](bytes), DNSSECVerdict(result.pointee)))
        }
}

extension ub_ctx_err {
    fileprivate var code: Int32 { Int32(bitPattern: UInt32(truncatingIfNeeded: Int(rawValue))) }
}

extension UnboundContext {
    /// A new context.
    private struct NewContext: @unchecked Sendable {
        // Unchecked: there is no other copy of the pointer, and libunbound's contexts are not bound to a thread.
        let pointer: OpaquePointer
    }

    private static func make(_ configuration: String) throws(UnboundSetupError) -> NewContext {
        try requireDescriptors()
        guard let context = ub_ctx_create() else { throw .library(step: "create", reason: "out of memory or entropy") }
        do throws(UnboundSetupError) {
            try configure(context, text: configuration)
            try require(ub_ctx_async(context, 1), step: "threads")
            // A call on local zones finalises the context, so that a wrong setting is an error now, not at the first question.
            try require(ub_ctx_zone_remove(context, "sts-bridge.invalid."), step: "configuration")
            // The thread starts with the first question, and ends the process if there is no file descriptor left. So start it
            // now, with a name that has a local answer.
            var id: Int32 = 0
            try require(
                ub_resolve_async(context, "start.sts-bridge.invalid", 1, 1, nil, resultReceived, &id), step: "thread")
        } catch {
            ub_ctx_delete(context)
            throw error
        }
        return NewContext(pointer: context)
    }

    /// Checks that file descriptors are free. A context uses about seven, and libevent ends the process if there is none left
    /// (`evsig_init_` calls exit). The check demands more, because other threads open descriptors at the same time.
    ///
    /// It opens none itself, because libdispatch also ends the process if none is free (`_dispatch_workq_monitor_pools` reads
    /// /proc each second while work waits).
    private static func requireDescriptors() throws(UnboundSetupError) {
        let limit = sysconf(Int32(_SC_OPEN_MAX))
        var free = 0
        // A negative limit means no limit.
        for number in 0..<(limit < 0 ? .max : Int32(clamping: limit)) where fcntl(number, F_GETFD) < 0 {
            free += 1
            if free == requiredDescriptors { return }
        }
        throw .library(step: UnboundSetupError.descriptorStep, reason: String(cString: strerror(EMFILE)))
    }

    private static let requiredDescriptors = 16

    /// libunbound reads its configuration from a file only. This file is in memory and has no name. With a pipe, a child
    /// process could inherit the other end, and libunbound would wait forever for the end of the file.
    private static func configure(_ context: OpaquePointer, text: String) throws(UnboundSetupError) {
        let descriptor = sts_unbound_memory_file()
        guard descriptor >= 0 else { throw .library(step: "memfd_create", reason: String(cString: strerror(errno))) }
        defer { Glibc.close(descriptor) }
        let bytes = Array(text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count
        else { throw .library(step: "memfd", reason: String(cString: strerror(errno))) }
        try require(ub_ctx_config(context, "/proc/self/fd/\(descriptor)"), step: "configuration")
    }

    private static func require(_ code: Int32, step: String) throws(UnboundSetupError) {
        guard code != 0 else { return }
        throw .library(step: step, reason: String(cString: ub_strerror(code)))
    }
}
