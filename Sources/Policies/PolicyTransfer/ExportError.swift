import MTASTS
import PolicyCaching
import TextFormats

/// The number of rows of the store by what the export did with them.
package struct ExportSummary: Equatable, Sendable {
    package var exported = 0
    package var expired = 0
    /// Each of these is also reported as a `SkippedRow`.
    package var unreadable = 0

    package init(exported: Int = 0, expired: Int = 0, unreadable: Int = 0) {
        self.exported = exported
        self.expired = expired
        self.unreadable = unreadable
    }
}

/// A row of the store that cannot be exported.
package struct SkippedRow: Equatable, Sendable, CustomStringConvertible {
    /// The domain as the store has it, escaped.
    package let domain: String
    package let reason: String

    init(domain: String, reason: String) {
        self.domain = UntrustedText.escaped(domain, limit: 253)
        self.reason = reason
    }

    package var description: String { "\(domain): \(reason)" }
}

/// The export stopped before its last line.
package struct ExportError: Error, Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
        /// The clock of this host is wrong, so nothing can be compared with its time.
        case clock
        case store(StoreError)
        /// The description of the error that the sink threw.
        case sink(String)
    }

    package let cause: Cause
    /// The rows until then.
    package let summary: ExportSummary
}

extension ExportError: CustomStringConvertible {
    package var description: String {
        switch cause {
        case .clock:
            "nothing exported: the clock of this host is not within the years 2000 to 9999; set the clock and try again"
        case .store(let error): "export incomplete after \(summary.exported) policies: \(error)"
        case .sink(let reason): "export incomplete after \(summary.exported) policies: cannot write: \(reason)"
        }
    }
}
