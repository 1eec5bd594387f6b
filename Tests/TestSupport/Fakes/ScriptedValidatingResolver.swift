import Discovery
import Synchronization

/// The validating resolver's fake: answers what a test has written, follows the aliases it has written, and keeps what
/// was asked in order.
///
/// A question that is not in the script is an insecure NXDOMAIN. The test can delay the answer to a
/// question.
package final class ScriptedValidatingResolver: ValidatingResolver {
    package enum Reply: Sendable {
        case secure(DNSAnswer.Content)
        case insecure(DNSAnswer.Content)
        case failure(DNSError.Cause)
    }

    private struct Script {
        var reply: Reply
        var timeToLive: UInt32
    }

    private struct Alias {
        var target: String
        var isSecure: Bool
        var timeToLive: UInt32
    }

    private struct State {
        var scripts: [DNSQuestion: Script] = [:]
        var aliases: [String: Alias] = [:]
        var asked: [DNSQuestion] = []
        var gates: [DNSQuestion: Gate] = [:]
        var open = 0
        var mostOpen = 0
    }

    private let state = Mutex(State())
    package static let servers = ["192.0.2.53"]

    package init() {}

    package func script(_ name: String, type: RecordType, reply: Reply, timeToLive: UInt32 = 300) {
        state.withLock { state in
            state.scripts[DNSQuestion(name: name, type: type)] = Script(reply: reply, timeToLive: timeToLive)
        }
    }

    /// A CNAME: questions of any other type go on at the target, unless a script is there for the alias itself.
    package func script(_ name: String, aliasOf target: String, isSecure: Bool = true, timeToLive: UInt32 = 300) {
        state.withLock { state in
            state.aliases[name] = Alias(target: target, isSecure: isSecure, timeToLive: timeToLive)
        }
    }

    /// From now on the question waits for the gate.
    package func hold(_ name: String, type: RecordType) -> Gate {
        let gate = Gate()
        state.withLock { $0.gates[DNSQuestion(name: name, type: type)] = gate }
        return gate
    }

    /// In the order in which they came.
    package var asked: [DNSQuestion] { state.withLock(\.asked) }

    /// How many questions were open at one time, at most.
    package var mostAtOnce: Int { state.withLock(\.mostOpen) }

    package func count(_ name: String, type: RecordType) -> Int {
        asked.count { $0 == DNSQuestion(name: name, type: type) }
    }

    package func count(_ type: RecordType) -> Int { asked.count { $0.type == type } }

    package func resolveValidated(_ question: DNSQuestion) async throws(DNSError) -> ValidatedAnswer {
        let gate = state.withLock { state in
            state.asked.append(question)
            state.open += 1
            state.mostOpen = max(state.mostOpen, state.open)
            return state.gates[question]
        }
        defer { state.withLock { $0.open -= 1 } }
        await gate?.pass()
        await Task.yield()
        return try state.withLock { state throws(DNSError) in try Self.answer(question, in: state) }
    }

    private static func answer(_ question: DNSQuestion, in state: State) throws(DNSError) -> ValidatedAnswer {
        var name = question.name
        var isSecure = true
        var timeToLive = UInt32.max
        var aliases = 0
        while question.type != .cname, state.scripts[DNSQuestion(name: name, type: question.type)] == nil,
            let alias = state.aliases[name]
        {
            aliases += 1
            guard aliases <= maximumAliases else {
                throw DNSError(question: question, cause: .aliasChainTooLong, servers: servers)
            }
            isSecure = isSecure && alias.isSecure
            timeToLive = min(timeToLive, alias.timeToLive)
            name = alias.target
        }
        func validated(_ content: DNSAnswer.Content, isLastSecure: Bool, lastTimeToLive: UInt32) -> ValidatedAnswer {
            let answer = DNSAnswer(
                question: question, content: content, timeToLive: min(timeToLive, lastTimeToLive), aliases: aliases)
            return ValidatedAnswer(answer, isSecure: isSecure && isLastSecure, canonicalName: name)
        }
        guard let script = state.scripts[DNSQuestion(name: name, type: question.type)] else {
            if question.type == .cname, let alias = state.aliases[name] {
                return validated(
                    .records([wireName(alias.target)]), isLastSecure: alias.isSecure, lastTimeToLive: alias.timeToLive)
            }
            return validated(.nameError, isLastSecure: false, lastTimeToLive: 300)
        }
        switch script.reply {
        case .secure(let content): return validated(content, isLastSecure: true, lastTimeToLive: script.timeToLive)
        case .insecure(let content): return validated(content, isLastSecure: false, lastTimeToLive: script.timeToLive)
        case .failure(let cause): throw DNSError(question: question, cause: cause, servers: servers)
        }
    }
}

// MARK: Record data

/// A name in wire form (RFC 1035 §3.1).
package func wireName(_ name: String) -> [UInt8] {
    name.split(separator: ".").flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) } + [0]
}

/// The RDATA of an MX record; the name `.` is the root.
package func mxData(_ preference: UInt16, name: String) -> [UInt8] {
    [UInt8(preference >> 8), UInt8(preference & 0xff)] + wireName(name)
}
