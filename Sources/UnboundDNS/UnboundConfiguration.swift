import DNSClient

/// libunbound could not be set up. Names the step and libunbound's own words.
package enum UnboundSetupFailure: Error, Equatable, Sendable, CustomStringConvertible {
    case library(step: String, reason: String)
    case trustAnchor(TrustAnchorFailure)
    case transport(DNSTransportError)

    /// Whether only this process lacks something at the moment, such as a descriptor: the configuration and the library may be
    /// in order.
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

/// The settings of libunbound, in the language of unbound.conf(5).
///
/// libunbound only validates. It sends each query to a port on 127.0.0.1 where our own transport takes it, asks the
/// servers, and answers each query in the end. So libunbound never sees a server time out: with a forwarder that may be
/// silent, its infrastructure cache counts one name's silence against all other names.
struct UnboundConfiguration {
    let anchors: TrustAnchors
    /// The transport's port on 127.0.0.1.
    let port: UInt16
    /// How long the transport takes for a query at most.
    let timeout: Duration

    /// The text of the file. Only a file can say `forward-no-cache`.
    var text: String {
        let records = anchors.records.map { "  trust-anchor: \"\($0)\"\n" }.joined()
        let zones = Self.defaultZones.map { "  local-zone: \"\($0)\" nodefault\n" }.joined()
        let forwarder = "  forward-addr: 127.0.0.1@\(port)\n"
        return Self.serverClause + waitClause + Self.validatingClause + records + zones + Self.forwardClause + forwarder
    }

    /// libunbound waits longer for a query than the transport takes, so it neither repeats one nor counts a time-out.
    /// A query that failed is not repeated either: the transport has tried all servers.
    private var waitClause: String {
        let wait = max(Self.shortestWait, timeout + .seconds(30)).components.seconds * 1_000
        return """
              infra-cache-min-rtt: \(wait)
              infra-cache-max-rtt: \(16 * wait)
              outbound-msg-retry: 1

            """
    }

    private static let shortestWait = Duration.seconds(90)

    /// Several of these become process-wide variables of libunbound when a context is finalised (the TTL limits,
    /// edns-buffer-size, verbosity): every context of the process must say the same.
    private static let serverClause = """
        server:
          # No rewriting of anything.
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
          # Answered here, without a server: starts libunbound's thread (see UnboundContext).
          local-zone: "start.sts-bridge.invalid." static
          # RFC 9715's size: no fragments; larger answers come by TCP.
          edns-buffer-size: 1232
          # A socket for each query under way. The transport ends the oldest query before they are used up.
          outgoing-range: 8192
          num-queries-per-thread: 16384
          # Failures are told by the answer, not on standard error.
          verbosity: 0
          # Reverse zones of private networks are the servers' business too.
          unblock-lan-zones: yes

        """

    /// Answers are not cached here either (forward-no-cache), nor are DS and DNSKEY records; what the validator keeps is
    /// each zone's judged keys, or that it has none, for as long as the records' own TTL. So a change is seen at once,
    /// and a zone's keys cost their two queries once.
    private static let validatingClause = """
          module-config: "validator iterator"
          # A key entry takes one to two kilobytes: some ten thousand zones.
          key-cache-size: 16m
          # Reasons are collected from level 2 on; libunbound writes none of them to standard error, as unbound does.
          val-log-level: 2
          # Below an anchor an answer without signatures is bogus, never merely insecure.
          harden-dnssec-stripped: yes
          val-permissive-mode: no
          # What does not hold is fetched twice more; unbound's 5 make thirty queries of one missing key.
          val-max-restart: 2
          # Nothing is told to the root servers about our anchors, and no name is special.
          trust-anchor-signaling: no
          root-key-sentinel: no

        """

    private static let forwardClause = """
        forward-zone:
          name: "."
          forward-first: no
          forward-no-cache: yes

        """

    /// The zones that libunbound would answer itself, in any version up to 1.24.
    private static let defaultZones = [
        "localhost.", "127.in-addr.arpa.", "home.arpa.", "resolver.arpa.", "service.arpa.", "onion.", "test.",
        "invalid.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
    ]
}
