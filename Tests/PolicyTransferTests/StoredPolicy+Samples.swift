import MTASTS
import PolicyCaching
import TestSupport
import TextFormats

@testable import PolicyTransfer

/// 2026-11-21T07:00:00.123Z
let now = WallTime(milliseconds: 1_795_244_400_123)
let nowText = "2026-11-21T07:00:00.123Z"
let header = #"{"exported-at":"2026-11-21T07:00:00.123Z","format":"sts-bridge-policies","version":1}"#

extension StoredPolicy {
    static func sample(
        _ name: String, text: String = policyText(), id: String = "1", age: Duration = .seconds(3_600),
        asked: Duration = .seconds(60)
    ) throws -> StoredPolicy {
        let octets = Array(text.utf8)
        let fetchedAt = now - age
        let maxAge = (try? STSPolicy(octets))?.maxAge ?? 0
        return StoredPolicy(
            domain: try TestSupport.domain(name), text: octets, id: try TestSupport.recordID(id), fetchedAt: fetchedAt,
            expiresAt: fetchedAt + .seconds(maxAge), lastLookupAt: now - asked)
    }
}

extension WallTime {
    static func - (time: WallTime, span: Duration) -> WallTime {
        WallTime(milliseconds: time.milliseconds - span.milliseconds)
    }
}

/// The line of a policy. Each argument is JSON; `nil` omits the field.
func line(
    domain: String? = #""example.com""#, id: String? = #""1""#, fetchedAt: String? = #""2026-11-21T06:00:00.123Z""#,
    behindSince: String? = nil, lastLookupAt: String? = nil, policy: String? = json(policyText()),
    base64: String? = nil,
    other: String? = nil
) -> String {
    let fields = [
        ("domain", domain), ("id", id), ("fetched-at", fetchedAt), ("clock-behind-since", behindSince),
        ("asked-at", lastLookupAt), ("policy", policy), ("policy-base64", base64), ("other", other),
    ]
    return "{" + fields.compactMap { key, value in value.map { "\"\(key)\":\($0)" } }.joined(separator: ",") + "}"
}

/// - Parameter text: has no quotes and no backslashes.
func json(_ text: String) -> String {
    "\"" + text.replacing("\r", with: "\\r").replacing("\n", with: "\\n") + "\""
}

/// A file with these lines between the header and the trailer.
func file(_ lines: String...) -> [UInt8] { file(lines) }

func file(_ lines: [String]) -> [UInt8] {
    Array(([header] + lines + [#"{"policies":\#(lines.count)}"#]).map { $0 + "\n" }.joined().utf8)
}

func openStore(_ policies: StoredPolicy..., unreadable: [StoredRow] = []) async throws -> MemoryPolicyStore {
    let store = MemoryPolicyStore(policies, unreadable: unreadable)
    _ = try await store.open()
    return store
}
