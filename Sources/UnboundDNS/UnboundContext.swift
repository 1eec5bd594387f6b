import CUnbound
import Dispatch
import Glibc
import Synchronization

/// What libunbound's validator says of an answer; without a validator everything is insecure.
enum DNSSECVerdict: Equatable, Sendable {
    case secure
    case insecure
    /// libunbound's reason, which holds names and addresses of strangers.
    case bogus(why: String)

    init(_ result: ub_result) {
        if result.bogus != 0 {
            self = .bogus(why: result.why_bogus.map { String(cString: $0) } ?? "libunbound gives no reason")
        } else {
            self = result.secure != 0 ? .secure : .insecure
        }
    }
}

/// One libunbound context, worked asynchronously: any number of questions under way, one thread of libunbound's.
///
/// Concurrency: everything but `ask` and `close` happens on `queue`; a question enters and leaves by it.
/// Fails by: a `Landing` for each question, exactly one: answer, time-out, cancellation or closing, whatever comes first.
/// Not here: what a packet says (AnswerReading).
final class UnboundContext: @unchecked Sendable {
    // Unchecked: `context` and `questions` are touched on `queue` only, which dispatchPrecondition proves.
    private let queue = DispatchQueue(label: "sts-bridge.unbound")
    private var context: OpaquePointer?
    private var questions: [UInt64: Question] = [:]
    private let source: any DispatchSourceRead
    private let nextID = Atomic<UInt64>(0)
    /// Entered while the C context exists.
    private let life = DispatchGroup()

    /// How a question ended.
    enum Landing: Sendable {
        case packet([UInt8], DNSSECVerdict)
        case failed(code: Int32)
        case timedOut
        case cancelled
    }

    /// libunbound's parser, its finalising and its log are process-wide: one context is made at a time.
    private static let setup = Mutex<Void>(())

    init(configuration: String) throws(UnboundSetupFailure) {
        let made = Self.setup.withLock { _ in Result { () throws(UnboundSetupFailure) in try Self.make(configuration) }
        }
        let context = try made.get()
        self.context = context.pointer
        source = DispatchSource.makeReadSource(fileDescriptor: ub_fd(context.pointer), queue: queue)
        source.setEventHandler { [weak self] in self?.process() }
        // The descriptor is the context's: it is freed only when nobody watches it any more.
        life.enter()
        source.setCancelHandler { [life] in
            ub_ctx_delete(context.pointer)
            life.leave()
        }
        source.activate()
    }

    deinit {
        // No question is under way: each holds the context.
        source.cancel()
    }

    /// Asks, and waits until the first of answer, `deadline`, cancellation of the task, `close`.
    func ask(name: String, type: UInt16, deadline: DispatchTime) async -> Landing {
        let id = nextID.add(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                queue.async { self.begin(id, name, type, continuation) }
                queue.asyncAfter(deadline: deadline) { [weak self] in self?.end(id, .timedOut) }
                // A cancellation before `begin` found nothing to end; the flag is set before the handler runs.
                if Task.isCancelled { queue.async { self.end(id, .cancelled) } }
            }
        } onCancel: {
            queue.async { self.end(id, .cancelled) }
        }
    }

    /// Ends every question with `.cancelled` and frees the context; further ones are cancelled at once.
    func close() {
        queue.async {
            // The bookkeeping first: after this no callback can be reached, and deleting makes no callbacks.
            self.context = nil
            let open = self.questions
            self.questions = [:]
            self.source.cancel()
            for question in open.values { question.continuation.resume(returning: .cancelled) }
        }
    }

    /// Returns once the context is freed, which `close` only begins.
    func freed() async {
        await withUnsafeContinuation { continuation in life.notify(queue: queue) { continuation.resume() } }
    }

    // MARK: On the queue

    /// A question under way. `questions` owns it for as long as libunbound may call back with its address: until the
    /// callback ran or `ub_cancel` was called (both here on the queue, so that they cannot cross), or the context is gone.
    private final class Question {
        unowned let owner: UnboundContext
        let id: UInt64
        let continuation: UnsafeContinuation<Landing, Never>
        var asyncID: Int32 = 0

        init(owner: UnboundContext, id: UInt64, continuation: UnsafeContinuation<Landing, Never>) {
            self.owner = owner
            self.id = id
            self.continuation = continuation
        }
    }

    private func begin(
        _ id: UInt64, _ name: String, _ type: UInt16, _ continuation: UnsafeContinuation<Landing, Never>
    ) {
        dispatchPrecondition(condition: .onQueue(queue))
        guard let context else { return continuation.resume(returning: .cancelled) }
        let question = Question(owner: self, id: id, continuation: continuation)
        let code = ub_resolve_async(
            context, name, Int32(type), 1, Unmanaged.passUnretained(question).toOpaque(), Self.landed,
            &question.asyncID)
        guard code == 0 else { return continuation.resume(returning: .failed(code: code)) }
        questions[id] = question
    }

    private func process() {
        dispatchPrecondition(condition: .onQueue(queue))
        guard let context else { return }
        let code = ub_process(context)
        guard code != 0 else { return }
        // The pipe from libunbound's thread is broken; nobody will answer any more.
        for id in questions.keys { end(id, .failed(code: code)) }
    }

    /// The first to come takes the question out of the table; all others find nothing.
    private func end(_ id: UInt64, _ landing: Landing) {
        dispatchPrecondition(condition: .onQueue(queue))
        guard let question = questions.removeValue(forKey: id) else { return }
        if let context { ub_cancel(context, question.asyncID) }
        question.continuation.resume(returning: landing)
    }

    /// Called by `ub_process`, hence on the queue.
    private static let landed:
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
    /// A fresh context on its way from the set-up to its owner.
    private struct Made: @unchecked Sendable {
        // Unchecked: nobody else has the pointer; libunbound's contexts are not bound to a thread.
        let pointer: OpaquePointer
    }

    private static func make(_ configuration: String) throws(UnboundSetupFailure) -> Made {
        try requireDescriptors()
        guard let context = ub_ctx_create() else { throw .library(step: "create", reason: "out of memory or entropy") }
        do throws(UnboundSetupFailure) {
            try configure(context, configuration)
            try require(ub_ctx_async(context, 1), "threads")
            // Any call on local zones finalises the context: a bad setting is found now, not by the first question.
            try require(ub_ctx_zone_remove(context, "sts-bridge.invalid."), "configuration")
            // Its thread starts with the first question, and ends the process where it finds no descriptor left: so now,
            // with a name that it answers itself.
            var id: Int32 = 0
            try require(ub_resolve_async(context, "start.sts-bridge.invalid", 1, 1, nil, landed, &id), "thread")
        } catch {
            ub_ctx_delete(context)
            throw error
        }
        return Made(pointer: context)
    }

    /// A context takes some seven descriptors, and libevent ends the process if its thread finds none left (`evsig_init_`
    /// calls exit). So more than that must be free, with room for what other threads open meanwhile.
    ///
    /// The check opens no descriptor: libdispatch also ends the process if it finds none free
    /// (`_dispatch_workq_monitor_pools` reads /proc each second while work waits).
    private static func requireDescriptors() throws(UnboundSetupFailure) {
        let limit = sysconf(Int32(_SC_OPEN_MAX))
        var free = 0
        // A negative limit means that there is none.
        for number in 0..<(limit < 0 ? .max : Int32(clamping: limit)) where fcntl(number, F_GETFD) < 0 {
            free += 1
            if free == neededDescriptors { return }
        }
        throw .library(step: UnboundSetupFailure.descriptorStep, reason: String(cString: strerror(EMFILE)))
    }

    private static let neededDescriptors = 16

    /// libunbound reads its configuration from a file only; this one has no name and no disk. (Not a pipe: a process
    /// started at the wrong moment would inherit its other end, and libunbound wait for the end of the file for ever.)
    private static func configure(_ context: OpaquePointer, _ text: String) throws(UnboundSetupFailure) {
        let descriptor = sts_unbound_memory_file()
        guard descriptor >= 0 else { throw .library(step: "memfd_create", reason: String(cString: strerror(errno))) }
        defer { Glibc.close(descriptor) }
        let bytes = Array(text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count
        else { throw .library(step: "memfd", reason: String(cString: strerror(errno))) }
        try require(ub_ctx_config(context, "/proc/self/fd/\(descriptor)"), "configuration")
    }

    private static func require(_ code: Int32, _ step: String) throws(UnboundSetupFailure) {
        guard code != 0 else { return }
        throw .library(step: step, reason: String(cString: ub_strerror(code)))
    }
}
