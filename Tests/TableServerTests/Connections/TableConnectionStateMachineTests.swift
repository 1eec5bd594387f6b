import NIOCore
import PostfixTable
import TestSupport
import Testing

@testable import TableServer

/// The state machine of a connection, without a channel.
@Suite struct TableConnectionStateMachineTests {
    typealias Machine = TableConnectionStateMachine<String>

    // MARK: Each event in each state

    enum State: CaseIterable {
        /// Nothing is pending.
        case serving
        /// One request waits for its reply.
        case waiting
        /// One request waits for its reply, and the channel is not writable.
        case unwritable
        /// The same, and the peer has sent its last request.
        case unwritableHalfClosed
        /// One request waits for its reply, and the peer sends no more.
        case finishing
        /// One request waits for its reply, and a malformed one came after it.
        case finishingAfterError
        case flushing
        case flushingAfterError
        case lingering
        /// `close` was returned.
        case closed
        case inactive

        func make() -> MachineDriver {
            var driver = MachineDriver()
            switch self {
            case .serving: break
            case .waiting: driver.send(.request)
            case .unwritable: driver.send(.request, .blocked)
            case .unwritableHalfClosed: driver.send(.request, .blocked, .inputClosed)
            case .finishing: driver.send(.request, .inputClosed)
            case .finishingAfterError: driver.send(.request, .malformed)
            case .flushing: driver.send(.inputClosed)
            case .flushingAfterError: driver.send(.malformed)
            case .lingering: driver.send(.malformed, .flushed)
            case .closed: driver.send(.errorCaught)
            case .inactive: driver.send(.request, .inactive)
            }
            driver.actions = []
            return driver
        }
    }

    /// Events without actions are left out. `at` is the time of a timer in seconds; an event happens at second 0.
    private static let expected: [State: [MachineDriver.Event: [String]]] = [
        .serving: [
            .request: ["answer"], .malformed: ["malformed", "close at 25", "write", "await flush", "close at 5"],
            .readRequested: ["read"], .inputClosed: ["await flush", "close at 5"], .drain: ["quiet period"],
            .closeDeadlineExpired: ["close"], .errorCaught: ["close"],
        ],
        .waiting: [
            .request: ["answer"], .malformed: ["malformed", "close at 25"], .reply: ["write"],
            .readRequested: ["read"], .inputClosed: ["close at 25"], .drain: ["quiet period"],
            .closeDeadlineExpired: ["close"], .errorCaught: ["close"],
        ],
        .unwritable: [
            .drain: ["quiet period"], .closeDeadlineExpired: ["close"], .errorCaught: ["close"],
        ],
        .unwritableHalfClosed: [
            .writable: ["close at 25"], .drain: ["quiet period"], .closeDeadlineExpired: ["close"],
            .errorCaught: ["close"],
        ],
        .finishing: [
            .reply: ["write", "await flush", "close at 5"], .readRequested: ["read"],
            .closeDeadlineExpired: ["close"], .errorCaught: ["close"],
        ],
        .finishingAfterError: [
            .reply: ["write", "await flush", "close at 5"], .readRequested: ["read"],
            .closeDeadlineExpired: ["close"], .errorCaught: ["close"],
        ],
        .flushing: [
            .flushed: ["close"], .readRequested: ["read"], .closeDeadlineExpired: ["close"], .errorCaught: ["close"],
        ],
        .flushingAfterError: [
            .flushed: ["close output"], .readRequested: ["read"], .closeDeadlineExpired: ["close"],
            .errorCaught: ["close"],
        ],
        .lingering: [
            .inputClosed: ["close"], .readRequested: ["read"], .closeDeadlineExpired: ["close"],
            .errorCaught: ["close"],
        ],
        .closed: [:],
        .inactive: [:],
    ]

    @Test(arguments: State.allCases, MachineDriver.Event.allCases)
    func `each event in each state has its actions`(state: State, event: MachineDriver.Event) {
        var driver = state.make()
        driver.send(event)
        #expect(driver.actions == Self.expected[state]?[event] ?? [])
    }

    @Test func `after the peer stops sending, an error reply needs no lingering`() {
        var driver = State.flushingAfterError.make()
        driver.send(.inputClosed, .flushed)
        #expect(driver.actions == ["close"])
    }

    // MARK: Order and limits

    @Test func `replies leave in the order of the requests, in one write if they are known at once`() {
        var driver = MachineDriver()
        driver.receive("3:x a,3:x b,3:x c,")
        driver.reply(at: 1)
        driver.reply(at: 1)
        #expect(driver.written == [])
        driver.reply(at: 0)
        #expect(driver.written == ["a", "b", "c"])
        #expect(driver.actions == ["answer", "answer", "answer", "write"])
    }

    @Test func `no more requests are taken than replies may be pending, and reading waits`() {
        var driver = MachineDriver(settings: LookupSettings(maximumPending: 2))
        driver.receive("3:x a,3:x b,3:x c,")
        driver.send(.readRequested)
        #expect(driver.actions == ["answer", "answer"])
        driver.reply(at: 1)
        #expect(driver.actions == ["answer", "answer"])
        driver.reply(at: 0)
        #expect(driver.actions == ["answer", "answer", "write", "answer", "read"])
    }

    @Test func `new settings count from the next read on`() {
        var driver = MachineDriver(settings: LookupSettings(maximumPending: 1))
        driver.receive("3:x a,3:x b,")
        #expect(driver.actions == ["answer"])
        driver.settings = LookupSettings(maximumPending: 2)
        driver.receive("3:x c,")
        #expect(driver.actions == ["answer", "answer"])
    }

    @Test func `while the channel is not writable nothing is taken, written or read`() {
        var driver = MachineDriver()
        driver.send(.request, .blocked, .request, .reply, .readRequested)
        #expect(driver.actions == ["answer"])
        driver.send(.writable)
        #expect(driver.actions == ["answer", "answer", "write", "read"])
    }

    @Test func `behind a malformed request nothing is taken, and earlier replies come first`() {
        var driver = MachineDriver()
        driver.receive("3:x a,3:abc,3:x b,")
        driver.receive("3:x c,")
        #expect(driver.actions == ["answer", "malformed", "close at 25"])
        driver.reply(at: 0)
        #expect(driver.written == ["a", "malformed"])
    }

    // MARK: Actions and callbacks

    @Test func `an event within an action has its actions after it`() {
        var driver = MachineDriver()
        driver.receive("3:x a,")
        driver.onAction = { driver, action in
            guard action == "write" else { return }
            driver.onAction = nil
            driver.receive("3:x b,3:abc,")
            driver.send(.readRequested, .inputClosed)
        }
        driver.reply(at: 0)
        // The malformed request's reply waits for the one before it.
        #expect(driver.actions == ["answer", "write", "answer", "malformed", "close at 25", "read"])
        driver.reply(at: 0)
        #expect(driver.written == ["a", "b", "malformed"])
    }

    @Test(arguments: ["answer", "write", "await flush", "close at 5"])
    func `after the channel closes within an action, no action follows`(last: String) {
        var driver = MachineDriver()
        driver.onAction = { driver, action in
            guard action == last else { return }
            driver.onAction = nil
            driver.send(.inactive)
        }
        driver.receive("3:x a,")
        driver.reply(at: 0)
        driver.send(.inputClosed)
        #expect(driver.actions.last == last)
        for event in MachineDriver.Event.allCases { driver.send(event) }
        #expect(driver.actions.last == last)
    }

    @Test func `a flush that ends at once closes without a timer`() {
        var driver = MachineDriver()
        driver.onAction = { driver, action in
            if action == "await flush" { driver.send(.flushed) }
        }
        driver.send(.inputClosed)
        #expect(driver.actions == ["await flush", "close"])
    }

    // MARK: Drain and deadlines

    @Test func `a drained connection ends after a quiet period, a busy one after twenty`() {
        var quiet = MachineDriver()
        quiet.send(.drain, .drain, .quietPeriodElapsed)
        #expect(quiet.actions == ["quiet period", "await flush", "close at 5"])
        var busy = MachineDriver()
        busy.send(.drain)
        var periods = 1
        while busy.actions.last == "quiet period", periods < 100 {
            busy.send(.request, .reply, .quietPeriodElapsed)
            periods += 1
        }
        #expect(periods == 21)
        #expect(busy.actions.suffix(2) == ["await flush", "close at 5"])
    }

    @Test func `an earlier deadline replaces a later one, and a later one changes nothing`() {
        var driver = MachineDriver()
        driver.send(.request, .inputClosed)
        driver.seconds = 22
        driver.reply(at: 0)
        // The flush may take 5 s, but the deadline of the last reply is in 3 s.
        #expect(driver.actions == ["answer", "close at 25", "write", "await flush"])
    }

    // MARK: A simple model

    /// The model is the list of keys in the order of the requests. Events come at random, within actions too.
    @Test func `each request has one reply, in order, whatever happens in between`() {
        // To repeat a run that failed, write its seed here.
        let seed = UInt64.random(in: 0 ... .max)
        var generator = Seeded(seed)
        for round in 0..<150 {
            let limit = Int.random(in: 1...8, using: &generator)
            let keys = (0..<Int.random(in: 1...60, using: &generator)).map { "key\($0)" }
            var driver = MachineDriver(settings: LookupSettings(maximumPending: limit))
            driver.unsent = keys.map { "\($0.utf8.count + 2):x \($0)," }.joined()
            var nested = Seeded(generator.next())
            driver.onAction = { driver, _ in
                if Int.random(in: 0..<3, using: &nested) == 0 { driver.step(&nested) }
            }
            while !driver.unsent.isEmpty { driver.step(&generator) }
            driver.onAction = nil
            driver.send(.writable, .inputClosed)
            while let index = driver.waiting.indices.randomElement(using: &generator) { driver.reply(at: index) }
            driver.send(.flushed)
            let isRight =
                driver.written == keys && driver.actions.last == "close" && driver.mostPending <= limit
                && driver.faults.isEmpty
            guard isRight else {
                Issue.record("seed \(seed), round \(round): \(driver.faults) \(driver.written) \(driver.actions)")
                return
            }
        }
    }
}

/// Performs the actions of a state machine as the channel handler does, and records them. Replies are the keys of their
/// requests.
struct MachineDriver {
    typealias Machine = TableConnectionStateMachineTests.Machine

    enum Event: CaseIterable {
        case request, malformed, reply, readRequested, blocked, writable, inputClosed, drain, quietPeriodElapsed
        case closeDeadlineExpired, flushed, errorCaught, inactive
    }

    var settings: LookupSettings
    /// The time of the next events.
    var seconds: Int64 = 0
    var actions: [String] = []
    /// Octets for `step`.
    var unsent = ""
    /// Called within each action.
    var onAction: ((inout MachineDriver, String) -> Void)?
    private(set) var waiting: [(key: String, ticket: ReplyTicket)] = []
    private(set) var written: [String] = []
    private(set) var mostPending = 0
    private(set) var faults: [String] = []
    private var machine: Machine
    private var isWritable = true
    private var isPerforming = false
    private var answered = 0

    init(settings: LookupSettings = LookupSettings()) {
        self.settings = settings
        machine = Machine(.socketmap, settings: settings)
    }

    private var channel: Machine.ChannelState {
        Machine.ChannelState(isWritable: isWritable, now: .uptimeNanoseconds(0) + .seconds(seconds))
    }

    mutating func send(_ events: Event...) {
        for event in events { send(event) }
    }

    mutating func send(_ event: Event) {
        switch event {
        case .request: receive("3:x k,")
        case .malformed: receive("3:abc,")
        case .reply: if !waiting.isEmpty { reply(at: 0) }
        case .readRequested: perform(machine.readRequested(on: channel))
        case .blocked: setWritable(false)
        case .writable: setWritable(true)
        case .inputClosed: perform(machine.inputClosed(on: channel))
        case .drain: perform(machine.drain(on: channel))
        case .quietPeriodElapsed: perform(machine.quietPeriodElapsed(on: channel))
        case .closeDeadlineExpired: perform(machine.closeDeadlineExpired(on: channel))
        case .flushed: perform(machine.flushed(on: channel))
        case .errorCaught: perform(machine.errorCaught(on: channel))
        case .inactive: machine.becameInactive()
        }
    }

    mutating func receive(_ text: String) {
        machine.received(ByteBuffer(string: text), settings: settings)
        perform(machine.readCompleted(on: channel))
    }

    mutating func reply(at index: Int) {
        let (key, ticket) = waiting.remove(at: index)
        perform(machine.replyReady(key, for: ticket, on: channel))
    }

    /// One random event: some octets, a reply, a change of writability, or a request to read.
    mutating func step(_ generator: inout Seeded) {
        switch Int.random(in: 0..<6, using: &generator) {
        case 0, 1:
            let piece = String(unsent.prefix(Int.random(in: 1...40, using: &generator)))
            unsent.removeFirst(piece.count)
            receive(piece)
        case 2, 3:
            if let index = waiting.indices.randomElement(using: &generator) { reply(at: index) }
        case 4: setWritable(Bool.random(using: &generator))
        default: send(.readRequested)
        }
    }

    private mutating func setWritable(_ isWritable: Bool) {
        self.isWritable = isWritable
        perform(machine.writabilityChanged(on: channel))
    }

    private mutating func perform(_ first: Machine.Action?) {
        if isPerforming, first != nil { faults.append("action within an action") }
        var next = first
        while let action = next {
            isPerforming = true
            perform(action)
            next = machine.actionPerformed(on: channel)
        }
        if first != nil { isPerforming = false }
    }

    private mutating func perform(_ action: Machine.Action) {
        let name = Self.name(action)
        actions.append(name)
        if !isWritable, ["answer", "write", "read"].contains(name) { faults.append("\(name) while not writable") }
        switch action {
        case .answer(let request, let ticket):
            waiting.append((String(decoding: request.key, as: UTF8.self), ticket))
            answered += 1
            mostPending = max(mostPending, answered - written.count)
        case .answerMalformed(_, let ticket):
            perform(machine.replyReady("malformed", for: ticket, on: channel))
        case .writeReplies:
            let before = written.count
            while let reply = machine.nextReply() { written.append(reply) }
            if written.count == before { faults.append("write without a reply") }
        case .read, .scheduleQuietPeriod, .scheduleClose, .awaitFlush, .closeOutput, .close: break
        }
        let callBack = onAction
        callBack?(&self, name)
    }

    private static func name(_ action: Machine.Action) -> String {
        switch action {
        case .answer: "answer"
        case .answerMalformed: "malformed"
        case .writeReplies: "write"
        case .read: "read"
        case .scheduleQuietPeriod: "quiet period"
        case .scheduleClose(let deadline): "close at \(deadline.uptimeNanoseconds / 1_000_000_000)"
        case .awaitFlush: "await flush"
        case .closeOutput: "close output"
        case .close: "close"
        }
    }
}
