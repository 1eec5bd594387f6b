import MTASTS
import PolicyService

/// The file's grammar: a header, policies, a last line that counts them. Line in, at most one outcome out.
struct ImportReading {
    enum Outcome: Equatable {
        case policy(ArchivedPolicy)
        case expired
        case refused(LineRefusal)
    }

    private enum Place {
        case header
        case policies(exportedAt: WallTime)
        case end
    }

    /// By how much the clocks of two hosts may differ.
    private static let clockTolerance = Duration.seconds(300)

    private let now: WallTime
    private var place = Place.header
    /// Lines between the first and the last.
    private var found = 0
    private var lastLine = 0

    init(now: WallTime) {
        self.now = now
    }

    /// - Returns: `nil` for a line that has no policy: blank, the first, the last.
    mutating func read(_ line: LineReader.Line) throws(ImportFailure.Reason) -> Outcome? {
        guard !line.isBlank else { return nil }
        lastLine = line.number
        switch place {
        case .header:
            let exportedAt = try Self.header(line)
            guard exportedAt <= now + Self.clockTolerance else {
                throw .fromTheFuture(exportedAt: exportedAt, now: now)
            }
            place = .policies(exportedAt: exportedAt)
            return nil
        case .policies(let exportedAt):
            return try read(line, exportedAt)
        case .end:
            throw .goesOn(line: line.number)
        }
    }

    /// There are no more lines.
    func finish() throws(ImportFailure.Reason) {
        switch place {
        case .header: throw .empty
        case .policies: throw .endsEarly(afterLine: lastLine)
        case .end: return
        }
    }

    private mutating func read(
        _ line: LineReader.Line, _ exportedAt: WallTime
    ) throws(ImportFailure.Reason) -> Outcome? {
        let said: Int
        do throws(LineFault) {
            switch try Self.parse(TransferLine.self, line) {
            case .policy(let fields):
                let outcome = try PolicyEntry(fields).archived(exportedAt: exportedAt, now: now).map(Outcome.policy)
                found += 1
                return outcome ?? .expired
            case .trailer(let trailer):
                said = trailer.policies
            }
        } catch {
            found += 1
            return .refused(LineRefusal(line: line.number, fault: error))
        }
        place = .end
        guard said == found else { throw .miscounted(said: said, found: found) }
        return nil
    }

    /// - Returns: when the export was made.
    private static func header(_ line: LineReader.Line) throws(ImportFailure.Reason) -> WallTime {
        let opening: TransferOpening
        do throws(LineFault) {
            opening = try parse(TransferOpening.self, line)
        } catch {
            throw .header(line: line.number, error)
        }
        switch opening {
        case .otherFormat(let name): throw .otherFormat(RemoteText.escaped(name, limit: 40))
        case .otherVersion(let version): throw .otherVersion(version)
        case .export(let text):
            guard let time = RFC3339.read(text) else {
                throw .header(line: line.number, .badTime(field: "exported-at", RemoteText.escaped(text)))
            }
            return time
        }
    }

    private static func parse<Value: Decodable>(
        _ type: Value.Type, _ line: LineReader.Line
    ) throws(LineFault) -> Value {
        guard let octets = line.octets else { throw .tooLong }
        return try TransferJSON.read(type, from: octets)
    }
}
