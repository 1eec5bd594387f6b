import MTASTS
import PolicyService

/// What became of the archive's rows.
package struct ExportSummary: Equatable, Sendable {
    /// Written.
    package var exported = 0
    /// Left out: their life is over.
    package var expired = 0
    /// Left out, and reported one by one.
    package var unreadable = 0

    package init(exported: Int = 0, expired: Int = 0, unreadable: Int = 0) {
        self.exported = exported
        self.expired = expired
        self.unreadable = unreadable
    }
}

/// A row that could not be exported.
package struct ExportOmission: Equatable, Sendable, CustomStringConvertible {
    /// As it stands in the archive, escaped.
    package let domain: String
    package let reason: String

    init(domain: String, reason: String) {
        self.domain = RemoteText.escaped(domain, limit: 253)
        self.reason = reason
    }

    package var description: String { "\(domain): \(reason)" }
}

/// Why an export is not complete.
package struct ExportFailure: Error, Equatable, Sendable {
    package enum Reason: Equatable, Sendable {
        /// This host's clock is so wrong that nobody could tell what has expired.
        case clock
        case archive(ArchiveFailure)
        /// In the words of whoever could not write.
        case sink(String)
    }

    package let reason: Reason
    /// What was written until then.
    package let done: ExportSummary
}

extension ExportFailure: CustomStringConvertible {
    package var description: String {
        switch reason {
        case .clock: "the clock of this host is wrong: the year is not within 2000 and 9999; nothing was exported"
        case .archive(let failure): "the export stopped (policies written: \(done.exported)): \(failure)"
        case .sink(let words):
            "the export could not be written to its end (policies written: \(done.exported)): \(words)"
        }
    }
}
