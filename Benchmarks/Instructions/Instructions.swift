import Discovery
import MTASTS
import NIOCore
import PolicyCaching
import PostfixTable
import TextFormats

/// Repeats one operation of the hit path, so that `valgrind --tool=callgrind` can count its instructions.
///
///     InstructionBenchmark OPERATION REPETITIONS
///
/// `.ci/check-instructions` runs it with two numbers of repetitions and divides the difference, so the start of the process
/// does not count. No operation waits, reads a clock or uses a second thread: the count is the same in each run.
@main
enum Instructions {
    struct UsageError: Error, CustomStringConvertible {
        let description = "usage: InstructionBenchmark decode|encode|cache-hit|parse-policy REPETITIONS"
    }

    struct UnexpectedResultError: Error {}

    private static let policyText = Array(
        "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.com\r\nmx: *.mail.example.com\r\nmax_age: 604800\r\n".utf8)
    private static let now = WallTime(milliseconds: 1_767_310_200_000)

    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.count == 2, let operation = arguments.first,
            let repetitions = arguments.last.flatMap({ Int($0) })
        else { throw UsageError() }
        let octets =
            switch operation {
            case "decode": try decode(repetitions)
            case "encode": try encode(repetitions)
            case "cache-hit": try hitCache(repetitions)
            case "parse-policy": try parsePolicy(repetitions)
            default: throw UsageError()
            }
        // The results are used, so the compiler cannot remove the operation.
        print("\(operation) \(repetitions) \(octets)")
    }

    /// Requests of 32 octets as Postfix sends them, one at a time.
    private static func decode(_ repetitions: Int) throws -> Int {
        let request = ByteBuffer(string: "26:QUERY a-domain.example.com,")
        var decoder = SocketmapDecoder()
        var octets = 0
        for _ in 0..<repetitions {
            var buffer = request
            guard let decoded = try decoder.decode(buffer: &buffer) else { throw UnexpectedResultError() }
            octets += decoded.key.count
        }
        return octets
    }

    /// The reply with all attributes, into the same buffer each time.
    private static func encode(_ repetitions: Int) throws -> Int {
        let policy = try STSPolicy(policyText)
        guard let domain = PolicyDomain("example.com"),
            let match = SecureMatch(domain: domain, policy: policy)
        else { throw UnexpectedResultError() }
        var buffer = ByteBuffer()
        var octets = 0
        for _ in 0..<repetitions {
            buffer.clear()
            SocketmapReplyEncoder.encode(.entry(.secure(match)), dialect: .sts, into: &buffer)
            octets += buffer.readableBytes
        }
        return octets
    }

    /// Hits in a cache of 1,000 policies, one domain after the other.
    private static func hitCache(_ repetitions: Int) throws -> Int {
        let domains = (0..<1_000).compactMap { PolicyDomain("domain-\($0).example.com") }
        var cache = PolicyCache(seed: 1)
        for domain in domains { try add(domain, to: &cache) }
        var hits = 0
        for repetition in 0..<repetitions {
            guard cache.answer(to: domains[repetition % domains.count], at: now) != nil else {
                throw UnexpectedResultError()
            }
            hits += 1
        }
        return hits
    }

    /// A first lookup whose record and policy arrive at once.
    private static func add(_ domain: PolicyDomain, to cache: inout PolicyCache) throws {
        guard case .start(let plan, _) = cache.lookup(domain, at: now).answer, let id = RecordID("1") else {
            throw UnexpectedResultError()
        }
        let report = RecordReport(result: .published(id), timeToLive: 3_600)
        _ = cache.recordReceived(report, in: plan.id, at: now)
        _ = cache.policyReceived(.policy(try STSPolicy(policyText)), id: id, in: plan.id, at: now)
        _ = cache.finish(plan.id, at: now)
    }

    private static func parsePolicy(_ repetitions: Int) throws -> Int {
        var octets = 0
        for _ in 0..<repetitions {
            octets += try STSPolicy(policyText).maxAge
        }
        return octets
    }
}
