import Discovery

/// What a reload may change while the service runs. Swapped as one value.
package struct ServiceSettings: Sendable {
    package var discovery: PolicyDiscovery
    /// `nil`: DANE is never looked for.
    package var dane: DANEDiscovery?
    package var decisions: DecisionSettings
    /// `maximumDomains` is that of the start, whatever it says here.
    package var ledger: LedgerSettings

    package init(
        discovery: PolicyDiscovery, dane: DANEDiscovery? = nil, decisions: DecisionSettings = DecisionSettings(),
        ledger: LedgerSettings = LedgerSettings()
    ) {
        self.discovery = discovery
        self.dane = dane
        self.decisions = decisions
        self.ledger = ledger
    }
}
