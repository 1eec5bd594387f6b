import Foundation
import Testing

@testable import BridgeConfiguration

/// The configuration through `config check` and `config print` of the built command.
@Suite(.timeLimit(.minutes(5))) struct ConfigurationTests {
    @Test func `without a file the defaults apply, and their output is a file that sets the same values`() async throws
    {
        let first = try await Binary.run(["config", "print"])
        #expect(first.status == 0)
        #expect(first.output == Self.defaults)
        let second = try await Binary.run(["config", "print"], yaml: first.output)
        #expect(second.outcome.output == first.output)
    }

    @Test func `every key can be set in the file`() async throws {
        let (outcome, _) = try await Binary.run(["config", "print"], yaml: Self.everythingElse)
        #expect(outcome.errors == "")
        #expect(outcome.output == Self.everythingElse)
    }

    @Test(arguments: ["utf8", "utf16"])
    func `the variable of the YAML parser changes neither values nor output`(_ encoding: String) async throws {
        let (outcome, _) = try await Binary.run(
            ["config", "print"], yaml: Self.everythingElse, environment: ["YAMS_DEFAULT_ENCODING": encoding])
        #expect(outcome.errors == "")
        #expect(outcome.output == Self.everythingElse)
    }

    /// Guards against a new key that weakens the verification of a policy host's certificate.
    @Test func `NAME-6.6-b: no key disables the verification of the certificate's name`() {
        let keys = ConfigurationKey.all.map(\.name).filter { $0.hasPrefix("fetch.") }
        #expect(
            keys == [
                "fetch.timeout", "fetch.retry-after", "fetch.ca-file", "fetch.allow-networks", "fetch.max-in-flight",
            ])
    }

    @Test func `the environment takes precedence over the file, and commas separate list elements`() async throws {
        let (outcome, _) = try await Binary.run(
            ["config", "print", "--json"], yaml: "dns:\n  timeout: 7s\n  servers: [192.0.2.1]\n",
            environment: ["STS_BRIDGE_DNS_SERVERS": "127.0.0.1@5353, ::1", "STS_BRIDGE_LOOKUP_ON_UNKNOWN": "defer"])
        let values = try #require(JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        #expect(values["dns.servers"] as? [String] == ["127.0.0.1@5353", "::1"])
        #expect(values["dns.timeout"] as? String == "7s")
        #expect(values["lookup.on-unknown"] as? String == "defer")
    }

    @Test(arguments: [
        ("dns:\n  timeot: 5s\n", 2, "unknown key dns.timeot"),
        ("\n\ntimeout: 5s\n", 3, "unknown key timeout; expected dns.timeout, fetch.timeout"),
        ("dns:\n  timeout: 5\n", 2, "dns.timeout: \"5\"; expected a whole number with s, m, h or d"),
        ("dns:\n  timeout: 0s\n", 2, "dns.timeout: \"0s\"; expected"),
        ("dns:\n  timeout: [5s]\n", 2, "dns.timeout: \"a nested value\"; expected"),
        ("dns:\n  servers: [example.com]\n", 2, "dns.servers: \"example.com\"; expected a list of ip or ip@port"),
        ("dns: 5\n", 1, "dns: expected keys and values"),
        ("listen:\n  socketmap: [127.0.0.1]\n", 2, "listen.socketmap: \"127.0.0.1\"; expected a list of host:port"),
        ("listen:\n  socketmap: [\"unix:relative\"]\n", 2, "expected a list of host:port"),
        ("listen:\n  socket-mode: \"0999\"\n", 2, "listen.socket-mode: \"0999\"; expected four octal digits"),
        (
            "listen:\n  socketmap: []\n  tcp-table: []\n", 2,
            "listen.socketmap and listen.tcp-table are empty; expected an address for Postfix to connect to"
        ),
        (
            "cache:\n  min-ttl: 1h\n  max-ttl: 1m\n", 2,
            "cache.min-ttl is 1h and cache.max-ttl is 1m; expected min-ttl at most max-ttl"
        ),
        (
            "http:\n  listen: [\"unix:/x\"]\n", 2,
            "http.listen: \"unix:/x\"; expected a list of host:port or [IPv6]:port"
        ),
        ("fetch:\n  allow-networks: [10.0.0.0/40]\n", 2, "fetch.allow-networks: \"10.0.0.0/40\"; expected"),
        ("postfix:\n  version: new\n", 2, "postfix.version: \"new\"; expected auto, or a version such as 3.7"),
        ("lookup:\n  on-unknown: maybe\n", 2, "lookup.on-unknown: \"maybe\"; expected one of deliver, defer"),
        ("log:\n  level: info\n  level: debug\n", 2, "set twice: level; keep one"),
        (
            "listen:\n  socket-group: a\nlisten:\n  socket-mode: \"0600\"\n", 1,
            "set twice: listen; keep one, and put all keys of a section under it"
        ),
        (
            "postfix:\n  dane: on\ndns:\n  dnssec: off\n", 2,
            "postfix.dane is on and dns.dnssec is off; expected dns.dnssec: auto"
        ),
        ("cache:\n  max-ttl: 30s\n", 2, "cache.min-ttl is 1m and cache.max-ttl is 30s"),
        (
            "listen:\n  socketmap: [\"[::1]:8461\"]\n  tcp-table: [\"[::1]:8461\"]\n", 2,
            "[::1]:8461 is used twice, in listen.socketmap and listen.tcp-table; each needs an address of its own"
        ),
        (
            "http:\n  listen: [\"127.0.0.1:8461\"]\n", 2,
            "127.0.0.1:8461 is used twice, in listen.socketmap and http.listen"
        ),
        (
            "http:\n  listen: [\"[::1]:9461\", \"[0:0:0:0:0:0:0:1]:9461\"]\n", 2,
            "[::1]:9461 is used twice, in http.listen"
        ),
        (
            "http:\n  listen: [\"[::]:8461\"]\n", 2,
            "127.0.0.1:8461 (listen.socketmap) and [::]:8461 (http.listen) overlap"
        ),
        (
            "listen:\n  socketmap: [\"0.0.0.0:8461\"]\n  tcp-table: [\"127.0.0.1:8461\"]\n", 2,
            "0.0.0.0:8461 (listen.socketmap) and 127.0.0.1:8461 (listen.tcp-table) overlap"
        ),
        (
            "listen:\n  socketmap: [\"unix:/run/a/socket\"]\nadmin:\n  socket: /run//a/./socket\n", 2,
            "unix:/run/a/socket is used twice, in listen.socketmap and admin.socket"
        ),
        (
            "cache:\n  path: /run/sts-bridge/admin.sock\n", 2,
            "unix:/run/sts-bridge/admin.sock is used twice, in admin.socket and cache.path"
        ),
        ("dns:\n  servers:\n    - 192.0.2.1\n    - x.example\n", 4, "dns.servers: \"x.example\"; expected"),
        ("admin:\n  socket: admin.sock\n", 2, "admin.socket: \"admin.sock\"; expected an absolute path of at most"),
        ("a: [\n", 2, "not YAML"),
        ("listen:\n  socket-mode: 432\n", 2, "listen.socket-mode: \"432\"; expected four octal digits"),
        ("listen:\n  socket-mode: +660\n", 2, "listen.socket-mode: \"+660\"; expected four octal digits"),
        ("admin:\n  socket:\n", 2, "admin.socket: no value; expected an absolute path"),
        ("admin: {socket: null}\n", 1, "admin.socket: no value; expected"),
        ("listen:\n  socket-group: ~\n", 2, "listen.socket-group: no value; expected the name of a group"),
        ("postfix:\n  security-level: Null\n", 2, "postfix.security-level: no value; expected auto"),
        ("dns:\n  servers:\n", 2, "dns.servers: no value; expected a list"),
        ("dns:\n  servers:\n    - 192.0.2.1\n    -\n", 4, "dns.servers: no value; expected a list"),
        ("just text\n", 1, "the file: expected keys and values"),
        ("\"\\e[31mred\": 1\n", 1, "unknown key \\x1B[31mred"),
    ])
    func `an error shows the file, the line, the key and the expected value`(
        yaml: String, line: Int, problem: String
    ) async throws {
        let (outcome, path) = try await Binary.run(["config", "check"], yaml: yaml)
        // Otherwise the daemon would start below.
        try #require(outcome.status == 2)
        #expect(outcome.output == "")
        #expect(outcome.errors.hasPrefix("sts-bridge: \(path):\(line): "), "\(outcome.errors)")
        #expect(outcome.errors.contains(problem), "\(outcome.errors)")
        // The daemon reports the same error and does not start.
        let serve = try await Binary.run(["serve"], yaml: yaml).outcome
        #expect(serve.status == 2)
        #expect(serve.errors.contains(problem))
    }

    @Test(arguments: [
        "listen:\n  socketmap: [\"0.0.0.0:8461\", \"[::]:8461\"]\n",
        "listen:\n  socketmap: [\"127.0.0.1:0\"]\n  tcp-table: [\"127.0.0.1:0\"]\nhttp:\n  listen: [\"127.0.0.1:0\"]\n",
        "listen:\n  socketmap: [\"127.0.0.1:8461\", \"[::1]:8461\"]\nhttp:\n  listen: [\"[::]:9461\"]\n",
        "cache:\n  store: memory\n  path: /run/sts-bridge/admin.sock\n",
    ])
    func `addresses that do not conflict are accepted`(yaml: String) async throws {
        let outcome = try await Binary.run(["config", "print"], yaml: yaml).outcome
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test func `an unknown variable is an error, a variable of Kubernetes is not`() async throws {
        let unknown = try await Binary.run(["config", "check"], environment: ["STS_BRIDGE_DNS_SERVER": "192.0.2.1"])
        #expect(unknown.status == 2)
        #expect(unknown.errors.contains("environment variable STS_BRIDGE_DNS_SERVER: unknown key"))
        let bad = try await Binary.run(["config", "check"], environment: ["STS_BRIDGE_DNS_TIMEOUT": "soon"])
        #expect(bad.errors.contains("environment variable STS_BRIDGE_DNS_TIMEOUT: dns.timeout: \"soon\"; expected"))
        let contradiction = try await Binary.run(["config", "check"], environment: ["STS_BRIDGE_CACHE_MAX_TTL": "30s"])
        #expect(contradiction.errors.contains("environment variable STS_BRIDGE_CACHE_MAX_TTL: cache.min-ttl is 1m"))
        let kubernetes = [
            "STS_BRIDGE_SERVICE_HOST": "10.0.0.1", "STS_BRIDGE_SERVICE_PORT": "8461",
            "STS_BRIDGE_SERVICE_PORT_SOCKETMAP": "8461", "STS_BRIDGE_PORT": "tcp://10.0.0.1:8461",
            "STS_BRIDGE_PORT_8461_TCP": "tcp://10.0.0.1:8461", "STS_BRIDGE_PORT_8461_TCP_ADDR": "10.0.0.1",
        ]
        #expect(try await Binary.run(["config", "check"], environment: kubernetes).status == 0)
    }

    @Test func `a missing file, or one that is not text, is an error`() async throws {
        let missing = try await Binary.run(["config", "check", "--config", "/nonexistent/config.yaml"])
        #expect(missing.status == 2)
        #expect(
            missing.errors == "sts-bridge: /nonexistent/config.yaml: cannot be read: No such file or directory; give a "
                + "readable file with --config\n")
        let directory = try await Binary.run(["config", "check", "--config", "/"])
        #expect(directory.status == 2)
        #expect(directory.errors.contains("/: cannot be read: Is a directory; "))
    }

    @Test func `an empty file and empty sections set nothing`() async throws {
        for yaml in ["", "# nothing\n", "dns:\nlisten:\n", "---\n"] {
            #expect(try await Binary.run(["config", "print"], yaml: yaml).outcome.output == Self.defaults)
        }
    }

    @Test(arguments: [
        ("postfix:\n  security-level: \"\"\n", "  security-level: \"\""),
        ("admin:\n  socket: \"\"\n", "  socket: \"\""),
        ("listen:\n  socket-group: \"null\"\n", "  socket-group: \"null\""),
        ("listen:\n  socket-mode: 0070\n", "\"0070\""),
    ])
    func `an empty text, and a word in quotes, is a text`(yaml: String, line: String) async throws {
        let printed = try await Binary.run(["config", "print"], yaml: yaml).outcome
        #expect(printed.output.contains(line), "\(printed.output)\(printed.errors)")
        // The output sets the same values again.
        #expect(try await Binary.run(["config", "print"], yaml: printed.output).outcome.output == printed.output)
    }

    @Test(arguments: [
        ("fetch:\n  ca-file: /nonexistent.pem\n", "CA file /nonexistent.pem cannot be read"),
        ("fetch:\n  ca-file: DIR/newer.sqlite.jsonl\n", "contains no usable certificate"),
        ("dns:\n  trust-anchor-file: /nonexistent\npostfix:\n  dane: on\n", "/nonexistent"),
        ("cache:\n  path: DIR/newer.sqlite\n", "was written by a newer sts-bridge"),
    ])
    func `config check reports the same errors as serve`(yaml: String, reason: String) async throws {
        let directory = NSTemporaryDirectory() + "sts-check-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await Self.makeNewerCache(directory + "/newer.sqlite")
        let yaml = yaml.replacing("DIR", with: directory)
        // Independent of this host's Postfix and sockets. With DANE on, postconf must report that Postfix uses DNSSEC.
        try "compatibility_level = 3.6\nsmtp_dns_support_level = dnssec\n".write(
            toFile: directory + "/main.cf", atomically: false, encoding: .utf8)
        let environment = [
            "MAIL_CONFIG": directory, "STS_BRIDGE_POSTFIX_SECURITY_LEVEL": "may", "STS_BRIDGE_ADMIN_SOCKET": "",
            "STS_BRIDGE_LISTEN_SOCKETMAP": "127.0.0.1:0", "STS_BRIDGE_LISTEN_TCP_TABLE": "",
        ]
        let check = try await Binary.run(["config", "check"], yaml: yaml, environment: environment).outcome
        #expect(check.status == 2)
        #expect(check.output == "")
        #expect(check.errors.contains(reason), "\(check.errors)")
        let json = try await Binary.run(["config", "check", "--json"], yaml: yaml, environment: environment).outcome
        #expect(json.status == 2)
        #expect(json.output.contains("\"error\""))
        let serve = try await Binary.run(["serve"], yaml: yaml, environment: environment).outcome
        #expect(serve.status == 2)
        #expect(serve.errors.split(separator: "\n").last == check.errors.split(separator: "\n").last)
    }

    /// Creates an empty cache with a migration that this version does not know.
    private static func makeNewerCache(_ path: String) async throws {
        let export = path + ".jsonl"
        try
            "{\"exported-at\":\"2026-11-21T07:00:00Z\",\"format\":\"sts-bridge-policies\",\"version\":1}\n{\"policies\":0}\n"
            .write(toFile: export, atomically: false, encoding: .utf8)
        let made = try await Binary.run(["cache", "import", export], environment: ["STS_BRIDGE_CACHE_PATH": path])
        try #require(made.status == 0, "\(made.errors)")
        let script =
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
            + "c.execute(\"INSERT INTO grdb_migrations (identifier) VALUES ('999 of the future')\"); c.commit()"
        let changed = try await Binary.run("/usr/bin/python3", arguments: ["-c", script, path])
        try #require(changed.status == 0, "\(changed.errors)")
    }

    private static let defaults = """
        listen:
          socketmap: ["127.0.0.1:8461"]
          tcp-table: ["127.0.0.1:8462"]
          socket-mode: "0660"
          socket-group: postfix
          max-connections: 10000
        postfix:
          version: auto
          dane: auto
          security-level: auto
        policy:
          no-policy-reply: not-found
          enforce-testing: false
          observe: false
        lookup:
          deadline: 20s
          on-unknown: deliver
        dns:
          servers: []
          dnssec: auto
          trust-anchor-file: /usr/share/dns/root.key
          timeout: 5s
        fetch:
          timeout: 30s
          retry-after: 5m
          ca-file: system
          allow-networks: []
          max-in-flight: 512
        cache:
          store: sqlite
          path: /var/lib/sts-bridge/policies.sqlite
          max-domains: 1000000
          min-ttl: 1m
          max-ttl: 1h
        admin:
          socket: /run/sts-bridge/admin.sock
          socket-group: ""
        http:
          listen: []
        log:
          level: info
          format: text

        """

    private static let everythingElse = """
        listen:
          socketmap: ["[::1]:9461", "unix:/run/sts-bridge/socket"]
          tcp-table: ["localhost:9462"]
          socket-mode: "0600"
          socket-group: mail
          max-connections: 20
        postfix:
          version: "3.3"
          dane: off
          security-level: dane-only
        policy:
          no-policy-reply: may
          enforce-testing: true
          observe: true
        lookup:
          deadline: 21s
          on-unknown: defer
        dns:
          servers: ["192.0.2.53", "2001:db8::53@5353"]
          dnssec: off
          trust-anchor-file: /etc/trusted-key.key
          timeout: 6s
        fetch:
          timeout: 31s
          retry-after: 6m
          ca-file: /etc/ssl/certs/ca-certificates.crt
          allow-networks: ["10.0.0.0/8", "fd00::/8"]
          max-in-flight: 65
        cache:
          store: memory
          path: "/srv/sts bridge.sqlite"
          max-domains: 2000
          min-ttl: 2m
          max-ttl: 2h
        admin:
          socket: ""
          socket-group: staff
        http:
          listen: ["127.0.0.1:9463", "[::1]:9463"]
        log:
          level: debug
          format: json

        """
}
