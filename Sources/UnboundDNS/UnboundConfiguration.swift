/// What a resolver is made of.
package struct UnboundConfiguration: Equatable, Sendable {
    /// Tried by libunbound's own choice: the fastest one that answers.
    package var servers: [NameServer]
    /// Bounds one question with all its servers and retries (`dns.timeout`).
    package var timeout: Duration

    package init(servers: [NameServer], timeout: Duration = .seconds(5)) {
        self.servers = servers
        self.timeout = timeout
    }
}

/// libunbound could not be set up. Names the step and libunbound's own words.
package enum UnboundSetupFailure: Error, Equatable, Sendable, CustomStringConvertible {
    case noServers
    case library(step: String, reason: String)
    case trustAnchor(TrustAnchorFailure)

    package var description: String {
        switch self {
        case .noServers: "no name servers: expected at least one"
        case .library(let step, let reason): "libunbound: \(step): \(reason)"
        case .trustAnchor(let failure): "\(failure)"
        }
    }
}

extension UnboundConfiguration {
    /// The configuration in unbound.conf(5)'s language. Only a file can say `forward-no-cache`.
    var unboundConf: String { unboundConf(Self.plainClause) }

    /// The same with validation.
    func unboundConf(anchors: TrustAnchors) -> String {
        unboundConf(Self.validatingClause + anchors.records.map { "  trust-anchor: \"\($0)\"\n" }.joined())
    }

    private func unboundConf(_ clause: String) -> String {
        let zones = Self.defaultZones.map { "  local-zone: \"\($0)\" nodefault\n" }.joined()
        let forwarders = servers.map { "  forward-addr: \(Self.address($0))\n" }.joined()
        return Self.serverClause + clause + zones + Self.forwardClause + forwarders
    }

    private static func address(_ server: NameServer) -> String {
        let host = server.scope.map { "\(server.address)%\($0)" } ?? "\(server.address)"
        return "\(host)@\(server.port)"
    }

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
          # A server that was down is asked again within seconds.
          infra-host-ttl: 5
          infra-keep-probing: yes
          # A retry waits a second at most: a question whose servers are silent gives its socket back in about five.
          infra-cache-max-rtt: 1000
          # Answered here, without a server: starts libunbound's thread (see UnboundContext).
          local-zone: "start.sts-bridge.invalid." static
          # RFC 9715's size: no fragments; larger answers come by TCP.
          edns-buffer-size: 1232
          # 1,000 questions under way, each with its own socket and port; further ones wait in line.
          outgoing-range: 1024
          num-queries-per-thread: 4096
          # Failures are told by the answer, not on standard error.
          verbosity: 0
          # Reverse zones of private networks are the servers' business too.
          unblock-lan-zones: yes

        """

    private static let plainClause = """
          module-config: "iterator"
          key-cache-size: 64k
          val-log-level: 0

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
          # What does not hold is fetched twice more, from other servers where there are some; unbound's 5 make thirty
          # queries of one missing key.
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
