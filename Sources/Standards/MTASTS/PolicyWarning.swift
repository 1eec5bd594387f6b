/// An irregularity in a policy that the parser accepts. For the log; it has no effect.
package struct PolicyWarning: Hashable, Sendable {
    /// Counted from 1.
    package let line: Int
    package let kind: Kind

    package enum Kind: Hashable, Sendable, CaseIterable {
        /// An empty line, or a line of blanks (STS-3.2-g, D4).
        case blankLine
        /// `max_age` is above the maximum; the parser uses the maximum (STS-3.2-o, D6).
        case maxAgeClamped
        /// A second `version`, `mode` or `max_age`; the parser ignores it (STS-3.2-x, D11).
        case duplicateKey
    }
}

extension PolicyWarning: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .blankLine: "line \(line): blank line ignored"
        case .maxAgeClamped: "line \(line): max_age above the maximum, \(STSPolicy.maximumMaxAge) used"
        case .duplicateKey: "line \(line): duplicate key ignored"
        }
    }
}
