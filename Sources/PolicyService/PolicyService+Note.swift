import Discovery

extension PolicyService {
    /// Postfix was answered, now. Cheap: it is called for each lookup.
    ///
    /// - Parameter reply: in one word.
    package func noteLookup(_ destination: DANEDestination, _ rule: Decision.Rule, reply: String) {
        noteLookup(RecentLookup(destination: destination, at: now(), rule: rule, reply: reply))
    }
}
