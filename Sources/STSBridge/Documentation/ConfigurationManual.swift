/// The configuration's keys for their readers: sts-bridge.yaml(5), the example file, README's table. All of it comes from
/// `ConfigurationKey`.
enum ConfigurationManual {
    /// What all keys have in common.
    private static let introduction = """
        `sts-bridge` reads its configuration from `\(ConfigurationReader.defaultPath)`, or from where `--config` says, and
        from its environment. It is YAML: sections with keys, each of them optional.

        Each key is also an environment variable, `STS_BRIDGE_` and the key in capitals (`STS_BRIDGE_DNS_SERVERS`), which
        wins over the file; lists are separated by commas there. Durations are written `90s`, `5m`, `1h`, `7d`.

        An unknown key or a bad value stops the start, and is named with file, line, key and what was expected.
        `sts-bridge config check` says so beforehand, `sts-bridge config print` shows what is in force.

        `sts-bridge reload`, or SIGHUP, makes the daemon read it again, without dropping a connection. A configuration that
        would stop a start is refused then, and the old one stays. Keys that take a restart keep their old value until it.
        """

    static func manual() -> String {
        var manual = Manual(
            title: "STS-BRIDGE.YAML", section: 5, name: "sts-bridge.yaml", summary: "configuration of sts-bridge")
        manual.section("DESCRIPTION")
        manual.paragraphs(introduction)
        manual.section("KEYS")
        for section in sections {
            manual.subsection(section.name)
            manual.list(section.keys) {
                "Ic \($0.name)"
            } body: {
                describe($0, &$1)
            }
        }
        manual.section("FILES")
        manual.macro(".Pa \(ConfigurationReader.defaultPath)")
        manual.section("EXAMPLES")
        manual.paragraphs(
            """
            A resolver of its own, and tables for a Postfix whose smtp runs in its chroot:

                listen:
                  socketmap: ["unix:/var/spool/postfix/run/sts-bridge/socket"]
                dns:
                  servers: [127.0.0.1]
            """)
        manual.section("SEE ALSO")
        manual.macro(".Xr sts-bridge 8")
        return manual.text
    }

    private static func describe(_ key: ConfigurationKey, _ manual: inout Manual) {
        manual.paragraphs(key.wholeMeaning)
        manual.macro(".br")
        manual.paragraphs("Default: `\(ConfigurationText.value(of: key, in: Configuration()))`.")
        manual.macro(".br")
        manual.paragraphs("Expected: \(key.expected).")
    }

    /// A file in which nothing is set, to be edited.
    static func example() -> String {
        var lines = [
            "# The configuration of sts-bridge. All keys are optional; what is commented out is the default.",
            "# sts-bridge.yaml(5) says more, `sts-bridge config check` whether a change can be used.",
        ]
        for section in sections {
            lines += ["", "\(section.name):"]
            for key in section.keys {
                lines += key.wholeMeaning.wrapped(to: 100).map { "  # \($0)" }
                lines.append("  #\(key.lastName): \(ConfigurationText.value(of: key, in: Configuration()))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// README's table, row by row.
    static func table() -> String {
        let rows = ConfigurationKey.all.map { key in
            // In Markdown nobody takes the text of a list for something else.
            let value = ConfigurationText.value(of: key, in: Configuration())
            let shown = key.isList ? value.replacing("\"", with: "") : value
            return "| `\(key.name)` | `\(shown)` | \(key.wholeMeaning) |"
        }
        return (["| key | default | meaning |", "|---|---|---|"] + rows).joined(separator: "\n") + "\n"
    }

    private static var sections: [(name: String, keys: [ConfigurationKey])] {
        var sections: [(name: String, keys: [ConfigurationKey])] = []
        for key in ConfigurationKey.all {
            if sections.last?.name == key.section {
                sections[sections.count - 1].keys.append(key)
            } else {
                sections.append((key.section, [key]))
            }
        }
        return sections
    }
}

extension ConfigurationKey {
    fileprivate var wholeMeaning: String { meaning + (takesRestart ? "; a change takes a restart" : "") }
}
