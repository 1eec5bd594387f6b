import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

@Suite struct DecisionTests {
    struct Row: Sendable {
        let standing: Standing
        let settings: DecisionSettings
        let expected: Decision
    }

    /// Every standing against every setting.
    static func rows() throws -> [Row] {
        let unknown = Ignorance.record(serverFailure)
        var rows: [Row] = []
        for enforceTesting in [false, true] {
            for onUnknown in DecisionSettings.OnUnknown.allCases {
                let settings = DecisionSettings(onUnknown: onUnknown, enforceTesting: enforceTesting)
                let enforce = try held("enforce")
                let testing = try held("testing")
                rows += [
                    Row(
                        standing: .policy(enforce), settings: settings,
                        expected: Decision(rule: .enforce, action: .secure(enforce))),
                    Row(
                        standing: .policy(testing), settings: settings,
                        expected: Decision(
                            rule: .testing, action: enforceTesting ? .secure(testing) : .notFound)),
                    Row(
                        standing: .policy(try held("none")), settings: settings,
                        expected: Decision(rule: .none, action: .notFound)),
                    Row(
                        standing: .noPolicy(.nameError), settings: settings,
                        expected: Decision(rule: .noPolicy, action: .notFound)),
                    Row(
                        standing: .unknown(unknown), settings: settings,
                        expected: Decision(
                            rule: .unknown, action: onUnknown == .defer ? .deferred(unknown) : .notFound)),
                ]
            }
        }
        return rows
    }

    @Test func `STS-5-a STS-5-b STS-5-c STS-3.3-m every row of the decision`() throws {
        let rows = try Self.rows()
        #expect(rows.count == 20)
        for row in rows { #expect(Decision(row.standing, settings: row.settings) == row.expected) }
    }

    private static func held(_ mode: String) throws -> HeldPolicy {
        guard case .policy(let fetched) = try fetched(mode: mode) else { throw Unexpected(what: "no policy") }
        return HeldPolicy(fetched, id: try recordID("1"), fetchedAt: WallTime(milliseconds: 0))
    }
}
