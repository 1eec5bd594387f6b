import DNSClient

/// libunbound cannot start. The text contains the step and libunbound's reason.
package enum UnboundSetupError: Error, Equatable, Sendable, CustomStringConvertible {
    case library(step: String, reason: String)
    case trustAnchor(TrustAnchorError)
    case transport(DNSTransportError)

    /// Whether this process has a shortage at the moment, such as of file descriptors. The configuration may be correct.
    package var isTemporary: Bool {
        switch self {
        case .library(let step, _): step == Self.descriptorStep
        case .transport(.system): true
        case .transport(.noServers), .trustAnchor: false
        }
    }

    static let descriptorStep = "descriptors"

    package var description: String {
        switch self {
        case .library(let step, let reason): "libunbound: \(step): \(reason)"
        case .trustAnchor(let failure): "\(failure)"
        case .transport(let error): "\(error)"
        }
    }
}

/// The configuration of libunbound in the form of unbound.conf(5).
///
/// libunbound only validates. It sends each query to a port on 127.0.0.1. Our transport receives it there, queries the servers,
/// and always answers. So libunbound never sees a time-out. If it did, its infrastructure cache would count the time-out of one
/// name against all other names.
struct UnboundConfiguration {
    let anchors: TrustAnchors
    /// The port of the transport on 127.0.0.1.
    let port: UInt16
    /// The time limit of the transport for a query.
    let timeout: Duration

    /// The text of the file. `forward-no-cache` works in a file only.
    var text: String {
        let records = anchors.records.map { "  trust-anchor: \"\($0)\"\n" }.joined()
        let zones = Self.defaultZones.map { "  local-zone: \"\($0)\" nodefault\n" }.joined()
        let forwarder = "  forward-addr: 127.0.0.1@\(port)\n"
        return Self.serverClause + waitClause + Self.validatingClause + records + zones + Self.forwardClause + forwarder
    }

    /// libunbound waits longer for a query than the transport, so it never repeats a query or counts a time-out. It does not
    /// repeat a failed query either, because the transport has tried all servers.
    private var waitClause: String {
        let wait = max(Self.minimumWait, timeout + .seconds(30)).components.seconds * 1_000
        return """
              infra-cache-min-rtt: \(wait)
              infra-cache-max-rtt: \(16 * wait)
              outbound-msg-retry: 1

            """
    }

    private static let minimumWait = Duration.seconds(90)

    /// Some of these become process-wide variables of libunbound when a context is finalised (the TTL limits,
    /// edns-buffer-size, verbosity), so every context of the process must have the same values.
    private static let serverClause = """
        server:
          # No changes of queries or answers.
          qname-minimisation: no
          use-caps-for-id: no
          harden-glue: no
          harden-below-nxdomain: no
          harden-referral-path: no
          aggressive-nsec: no
          prefetch: no
          serve-expired: no
          minimal-responses: no
          # The records' own TTLs (RFC 2181 §8 allows 31 bits).
          cache-min-ttl: 0
          cache-max-ttl: 2147483647
          cache-max-negative-ttl: 2147483647
          # Caches are not used (forward-no-cache): keep them small.
          msg-cache-size: 64k
          rrset-cache-size: 64k
          neg-cache-size: 0
          # A resolver on this host is the common case.
          do-not-query-localhost: no
          do-ip4: yes
          do-ip6: yes
          do-udp: yes
          do-tcp: yes
          infra-host-ttl: 5
          infra-keep-probing: yes
          # A local answer without a server, which starts libunbound's thread (see UnboundContext).
          local-zone: "start.sts-bridge.invalid." static
          # RFC 9715's size: no fragments; larger answers come by TCP.
          edns-buffer-size: 1232
          # One socket for each open query. The transport ends the oldest query before they are used up.
          outgoing-range: 8192
          num-queries-per-thread: 16384
          # The answers contain the failures, so write none to standard error.
          verbosity: 0
          # Query the servers for reverse zones of private networks too.
          unblock-lan-zones: yes

        """

    /// Neither answers nor DS and DNSKEY records are cached (forward-no-cache). The validator only remembers the validated
    /// keys of each zone, or that a zone has none, for the TTL of the records. So a change is visible at once, and the keys of
    /// a zone need their two queries once.
    private static let validatingClause = """
          module-config: "validator iterator"
          # A key entry uses one to two kilobytes, so this is about ten thousand zones.
          key-cache-size: 16m
          # libunbound collects reasons from level 2 on. Unlike unbound, it writes none of them to standard error.
          val-log-level: 2
          # Below an anchor an answer without signatures is bogus, never insecure.
          harden-dnssec-stripped: yes
          val-permissive-mode: no
          # Repeat a failed validation twice. With unbound's default of 5, one missing key causes thirty queries.
          val-max-restart: 2
          # Do not report our anchors to the root servers, and treat no name specially.
          trust-anchor-signaling: no
          root-key-sentinel: no

        """

    private static let forwardClause = """
        forward-zone:
          name: "."
          forward-first: no
          forward-no-cache: yes

        """

    /// The zones that libunbound answers itself by default, in any version up to 1.24.
    private static let defaultZones = [
        "localhost.", "127.in-addr.arpa.", "home.arpa.", "resolver.arpa.", "service.arpa.", "onion.", "test.",
        "invalid.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
    ]
}
