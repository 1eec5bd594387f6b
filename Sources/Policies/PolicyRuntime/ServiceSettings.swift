import Discovery
import PolicyCaching

/// The settings that a reload can change while the service runs. They change together, as one value.
package struct ServiceSettings: Sendable {
    package var discovery: PolicyDiscovery
    /// `nil` if DANE is never looked up.
    package var dane: DANEDiscovery?
    package var decisions: DecisionSettings
    /// A reload does not change `maximumDomains`.
    package var cache: CacheSettings

    package init(
        discovery: PolicyDiscovery, dane: DANEDiscovery? = nil, decisions: DecisionSettings = DecisionSettings(),
        cache: CacheSettings = CacheSettings()
    ) {
        self.discovery = discovery
        self.dane = dane
        self.decisions = decisions
        self.cache = cache
    }
}
