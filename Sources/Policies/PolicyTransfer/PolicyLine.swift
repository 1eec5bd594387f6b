import Discovery
import Foundation
import MTASTS
import PolicyCaching
import TextFormats

/// One policy as a line of an export.
struct PolicyLine: Equatable {
    let domain: PolicyDomain
    let id: RecordID
    let fetchedAt: WallTime
    /// The export of this version always has it.
    let lastLookupAt: WallTime?
    /// When the clock of the exporting host was first seen behind `fetchedAt`, by that clock; `nil` if it was not.
    let clockBehindSince: WallTime?
    /// The policy as published.
    let text: [UInt8]
}

// MARK: From and to the store

extension PolicyLine {
    /// A fetch in the future (the clock is behind) keeps its time, and the line has the time since when the clock is
    /// behind. Any other time in the future becomes `now`.
    ///
    /// - Returns: `nil` if the policy has expired.
    init?(_ policy: StoredPolicy, now: WallTime) throws(LineError) {
        guard policy.text.count <= TransferFormat.maximumText else { throw .textTooLong(octets: policy.text.count) }
        // A time that has no text becomes `now` as well.
        let lastFetch = policy.lastFetch(asOf: now)
        let fetchedAt = RFC3339.text(of: lastFetch) == nil ? min(lastFetch, now) : lastFetch
        let clockBehindSince = fetchedAt > now ? min(policy.clockBehindSince ?? now, now) : nil
        let cached = CachedPolicy(
            try Self.parse(policy.text), id: policy.id, fetchedAt: fetchedAt, clockBehindSince: clockBehindSince)
        guard cached.applies(at: now), RFC3339.text(of: fetchedAt) != nil else { return nil }
        self.init(
            domain: policy.domain, id: policy.id, fetchedAt: fetchedAt,
            lastLookupAt: max(RFC3339.earliest, min(policy.lastLookupAt, now)), clockBehindSince: clockBehindSince,
            text: policy.text)
    }

    /// Clamps fetch and lookup to the times of the export and of the import.
    ///
    /// The time of the export limits a fetch in the future: it counts as that time in every import of the same file, so
    /// the policy ends. If the clock of the exporting host was behind the fetch, the fetch keeps its time. Where the clock
    /// is right, `max_age` counts from the fetch; if it is behind, from `clockBehindSince`.
    ///
    /// - Returns: `nil` if the policy has expired.
    func storedPolicy(exportedAt: WallTime, now: WallTime) throws(LineError) -> StoredPolicy? {
        let policy = try Self.parse(text)
        guard policy.maxAge > 0 else { throw .zeroMaxAge }
        let latest = min(exportedAt, now)
        let since = clockBehindSince.map { min($0, latest) }
        let fetchedAt = since == nil ? min(fetchedAt, latest) : fetchedAt
        let cached = CachedPolicy(policy, id: id, fetchedAt: fetchedAt, clockBehindSince: since)
        guard cached.applies(at: now) else { return nil }
        return StoredPolicy(
            domain: domain, text: text, id: id, fetchedAt: fetchedAt, expiresAt: cached.expiresAt,
            lastLookupAt: min(lastLookupAt ?? fetchedAt, latest), clockBehindSince: fetchedAt > now ? since : nil)
    }

    private static func parse(_ text: [UInt8]) throws(LineError) -> STSPolicy {
        do throws(PolicyError) {
            return try STSPolicy(text)
        } catch {
            throw .invalid(error)
        }
    }
}

// MARK: JSON

extension PolicyLine: Codable {
    private enum CodingKeys: String, CodingKey {
        case domain, id, policy
        case fetchedAt = "fetched-at"
        case lastLookupAt = "asked-at"
        case policyBase64 = "policy-base64"
        case clockBehindSince = "clock-behind-since"
    }

    /// Reports a missing field or a wrong type before a wrong value.
    ///
    /// - Throws: `DecodingError` or `LineError`.
    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let domain = try fields.decode(String.self, forKey: .domain)
        let id = try fields.decode(String.self, forKey: .id)
        let fetchedAt = try fields.decode(String.self, forKey: .fetchedAt)
        let lastLookupAt = try fields.decodeIfPresent(String.self, forKey: .lastLookupAt)
        let policy = try fields.decodeIfPresent(String.self, forKey: .policy)
        let policyBase64 = try fields.decodeIfPresent(String.self, forKey: .policyBase64)
        let clockBehindSince = try fields.decodeIfPresent(String.self, forKey: .clockBehindSince)
        guard let policyDomain = PolicyDomain(domain) else { throw LineError.badDomain(UntrustedText.escaped(domain)) }
        guard let recordID = RecordID(id) else { throw LineError.badID(UntrustedText.escaped(id)) }
        self.domain = policyDomain
        self.id = recordID
        self.fetchedAt = try Self.time(fetchedAt, field: .fetchedAt)
        self.lastLookupAt = try lastLookupAt.map { try Self.time($0, field: .lastLookupAt) }
        self.clockBehindSince = try clockBehindSince.map { try Self.time($0, field: .clockBehindSince) }
        text = try Self.text(policy: policy, base64: policyBase64)
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(domain.name.text, forKey: .domain)
        try fields.encode(id.text, forKey: .id)
        try fields.encode(RFC3339.clampedText(of: fetchedAt), forKey: .fetchedAt)
        try fields.encodeIfPresent(lastLookupAt.map(RFC3339.clampedText(of:)), forKey: .lastLookupAt)
        try fields.encodeIfPresent(clockBehindSince.map(RFC3339.clampedText(of:)), forKey: .clockBehindSince)
        if let policy = String(validating: text, as: UTF8.self) {
            try fields.encode(policy, forKey: .policy)
        } else {
            try fields.encode(Data(text).base64EncodedString(), forKey: .policyBase64)
        }
    }

    private static func time(_ text: String, field: CodingKeys) throws(LineError) -> WallTime {
        guard let time = RFC3339.time(from: text) else {
            throw .badTime(field: field.rawValue, UntrustedText.escaped(text))
        }
        return time
    }

    private static func text(policy: String?, base64: String?) throws(LineError) -> [UInt8] {
        let octets: [UInt8]
        switch (policy, base64) {
        case (nil, nil): throw .noText
        case (.some, .some): throw .twoTexts
        case (let text?, nil): octets = Array(text.utf8)
        case (nil, let text?):
            guard let data = Data(base64Encoded: text) else { throw .badBase64 }
            octets = Array(data)
        }
        guard octets.count <= TransferFormat.maximumText else { throw .textTooLong(octets: octets.count) }
        return octets
    }
}
