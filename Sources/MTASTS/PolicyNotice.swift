/// An oddity of a policy that was let pass. For the log: it changes nothing.
package struct PolicyNotice: Hashable, Sendable {
    /// Counted from 1.
    package let line: Int
    package let oddity: Oddity

    package enum Oddity: Hashable, Sendable, CaseIterable {
        /// An empty line, or one of blanks only (STS-3.2-g, D4).
        case blankLine
        /// `max_age` above the greatest value, which was taken instead (STS-3.2-o, D6).
        case maxAgeClamped
        /// A second `version`, `mode` or `max_age`: not read (STS-3.2-x, D11).
        case duplicateKey
    }
}

extension PolicyNotice: CustomStringConvertible {
    package var description: String {
        switch oddity {
        case .blankLine: "line \(line): blank line ignored"
        case .maxAgeClamped: "line \(line): max_age taken as \(STSPolicy.maximumMaxAge)"
        case .duplicateKey: "line \(line): key given before, ignored"
        }
    }
}
