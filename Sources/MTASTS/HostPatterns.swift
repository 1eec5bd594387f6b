extension STSPolicy {
    /// The patterns that can name an MX host, each once, in the order of the file.
    ///
    /// A single label and a name whose last label is all digits satisfy the grammar, but no MX host has such a name; to
    /// a mail server they would mean something else: a keyword, or an address (STS-3.2-s, pitfall 51).
    package var hostPatterns: [MXPattern] {
        var seen: Set<MXPattern> = []
        return mx.filter { $0.canNameHost && seen.insert($0).inserted }
    }
}

extension MXPattern {
    fileprivate var canNameHost: Bool {
        switch self {
        case .exact(let name): !name.isSingleLabel && !name.endsInDigits
        // The wildcard stands for a label, so one more is enough.
        case .anyLabel(let parent): !parent.endsInDigits
        }
    }
}
