import Discovery
import Foundation
import MTASTS
import PolicyService

/// What a line says of one domain, every field read into its type.
struct PolicyEntry: Equatable {
    let domain: PolicyDomain
    let id: RecordID
    let fetchedAt: WallTime
    let askedAt: WallTime?
    /// Since when the exporting host's clock was behind `fetchedAt`, by that clock; `nil`: it was not.
    let clockBehindSince: WallTime?
    let text: [UInt8]
    let policy: STSPolicy

    init(_ fields: TransferFields) throws(LineFault) {
        guard let domain = PolicyDomain(fields.domain) else { throw .badDomain(RemoteText.escaped(fields.domain)) }
        guard let id = RecordID(fields.id) else { throw .badID(RemoteText.escaped(fields.id)) }
        self.domain = domain
        self.id = id
        fetchedAt = try Self.time(fields.fetchedAt, .fetchedAt)
        if let text = fields.askedAt {
            askedAt = try Self.time(text, .askedAt)
        } else {
            askedAt = nil
        }
        clockBehindSince =
            if let time = fields.clockBehindSince { try Self.time(time, .clockBehindSince) } else { nil }
        text = try fields.text()
        do throws(PolicyError) {
            policy = try STSPolicy(text)
        } catch {
            throw .invalid(error)
        }
        guard policy.maxAge > 0 else { throw .noLife }
    }

    private static func time(_ text: String, _ field: TransferFields.CodingKeys) throws(LineFault) -> WallTime {
        guard let time = RFC3339.read(text) else {
            throw .badTime(field: field.rawValue, RemoteText.escaped(text))
        }
        return time
    }

    /// As it is kept. Nothing was fetched or asked for after the export, nor is it known to have been after now.
    ///
    /// The export's time too is needed: else a moment in the future would count as a later now each time the same file is
    /// imported, and the policy would never end. If the exporting host's clock was behind the fetch, the time of the fetch
    /// stays: with a clock that is right the life counts from it, and with one that is behind from when that was noticed.
    ///
    /// - Returns: `nil` when its life is over.
    func archived(exportedAt: WallTime, now: WallTime) -> ArchivedPolicy? {
        let latest = min(exportedAt, now)
        let since = clockBehindSince.map { min($0, latest) }
        let fetchedAt = since == nil ? min(fetchedAt, latest) : fetchedAt
        let held = HeldPolicy(
            FetchedPolicy(policy: policy, text: text), id: id, fetchedAt: fetchedAt, clockBehindSince: since)
        guard held.applies(at: now) else { return nil }
        return ArchivedPolicy(
            domain: domain, text: text, id: id, fetchedAt: fetchedAt, expiresAt: held.expiresAt,
            askedAt: min(askedAt ?? fetchedAt, latest), clockBehindSince: fetchedAt > now ? since : nil)
    }
}

extension TransferFields {
    /// - Parameters:
    ///   - fetchedAt: as it is to be written, likewise `askedAt` and `clockBehindSince`.
    init(_ policy: ArchivedPolicy, fetchedAt: String, askedAt: String, clockBehindSince: String? = nil) {
        domain = policy.domain.name.text
        id = policy.id.text
        self.fetchedAt = fetchedAt
        self.askedAt = askedAt
        self.clockBehindSince = clockBehindSince
        self.policy = String(validating: policy.text, as: UTF8.self)
        policyBase64 = self.policy == nil ? Data(policy.text).base64EncodedString() : nil
    }

    /// The policy as it was published, octet by octet.
    func text() throws(LineFault) -> [UInt8] {
        let octets: [UInt8]
        switch (policy, policyBase64) {
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
