import MTASTS
import PolicyCaching
import TextFormats

/// A state machine for the lines of an export: a header, policies, a trailer that counts them.
struct ImportParser {
    enum Result: Equatable {
        case policy(StoredPolicy)
        case expired
        case refused(RefusedLine)
    }

    private enum State {
        case header
        case policies(exportedAt: WallTime)
        case end
    }

    /// The largest difference between the clocks of two hosts.
    private static let clockTolerance = Duration.seconds(300)

    private let now: WallTime
    private var state = State.header
    /// The lines since the header.
    private var policyLines = 0
    private var lastLine = 0

    init(now: WallTime) {
        self.now = now
    }

    /// - Returns: `nil` for a blank line, the header and the trailer.
    mutating func parse(_ line: LineReader.Line) throws(ImportError) -> Result? {
        guard !line.isBlank else { return nil }
        lastLine = line.number
        switch state {
        case .header:
            let exportedAt = try Self.header(line).exportedAt
            guard exportedAt <= now + Self.clockTolerance else {
                throw .fromTheFuture(exportedAt: exportedAt, now: now)
            }
            state = .policies(exportedAt: exportedAt)
            return nil
        case .policies(let exportedAt):
            return try parse(line, exportedAt: exportedAt)
        case .end:
            throw .lineAfterTrailer(line: line.number)
        }
    }

    /// The file has no more lines.
    func finish() throws(ImportError) {
        switch state {
        case .header: throw .empty
        case .policies: throw .truncated(afterLine: lastLine)
        case .end: return
        }
    }

    private mutating func parse(_ line: LineReader.Line, exportedAt: WallTime) throws(ImportError) -> Result? {
        let expected: Int
        do throws(LineError) {
            switch try TransferJSON.decode(TransferLine.self, from: line) {
            case .policy(let policy):
                let stored = try policy.storedPolicy(exportedAt: exportedAt, now: now)
                policyLines += 1
                return stored.map(Result.policy) ?? .expired
            case .trailer(let trailer):
                expected = trailer.policies
            }
        } catch {
            policyLines += 1
            return .refused(RefusedLine(number: line.number, error: error))
        }
        state = .end
        guard expected == policyLines else { throw .miscounted(expected: expected, found: policyLines) }
        return nil
    }

    private static func header(_ line: LineReader.Line) throws(ImportError) -> HeaderLine {
        let header: HeaderLine
        do throws(LineError) {
            header = try TransferJSON.decode(HeaderLine.self, from: line)
        } catch {
            throw .header(line: line.number, error)
        }
        guard header.format == TransferFormat.name else {
            throw .otherFormat(UntrustedText.escaped(header.format, limit: 40))
        }
        guard header.version == TransferFormat.version else { throw .otherVersion(header.version) }
        return header
    }
}
