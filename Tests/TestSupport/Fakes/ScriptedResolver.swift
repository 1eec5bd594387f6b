import Discovery
import Synchronization

/// The resolver's fake: answers what a test has written, and counts what was asked.
///
/// A question that is not in the script is NXDOMAIN. The test can delay the answer to a question.
package final class ScriptedResolver: Resolver {
    package enum Reply: Sendable {
        case success(DNSAnswer.Content)
        case failure(DNSError.Cause)
    }

    private struct State {
        var replies: [DNSQuestion: Reply] = [:]
        var timesToLive: [DNSQuestion: UInt32] = [:]
        var asked: [DNSQuestion] = []
        var gates: [DNSQuestion: Gate] = [:]
    }

    private let state = Mutex(State())
    private static let servers = ["192.0.2.53"]

    package init() {}

    package func script(_ name: String, type: RecordType, reply: Reply, timeToLive: UInt32 = 300) {
        let question = DNSQuestion(name: name, type: type)
        state.withLock { state in
            state.replies[question] = reply
            state.timesToLive[question] = timeToLive
        }
    }

    /// A TXT RRset of one string a record.
    package func script(text texts: [String], at name: String, timeToLive: UInt32 = 300) {
        let records = texts.map { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) }
        script(name, type: .txt, reply: .success(.records(records)), timeToLive: timeToLive)
    }

    /// From now on the question waits for the gate.
    package func hold(_ name: String, type: RecordType) -> Gate {
        let gate = Gate()
        state.withLock { $0.gates[DNSQuestion(name: name, type: type)] = gate }
        return gate
    }

    package var asked: [DNSQuestion] { state.withLock(\.asked) }

    package func count(_ name: String, type: RecordType) -> Int {
        asked.count { $0 == DNSQuestion(name: name, type: type) }
    }

    package func resolve(_ question: DNSQuestion) async throws(DNSError) -> DNSAnswer {
        let gate = state.withLock { state in
            state.asked.append(question)
            return state.gates[question]
        }
        await gate?.pass()
        let (reply, timeToLive) = state.withLock { state in
            (state.replies[question] ?? .success(.nameError), state.timesToLive[question] ?? 300)
        }
        switch reply {
        case .success(let content):
            return DNSAnswer(question: question, content: content, timeToLive: timeToLive)
        case .failure(let cause):
            throw DNSError(question: question, cause: cause, servers: Self.servers)
        }
    }
}
