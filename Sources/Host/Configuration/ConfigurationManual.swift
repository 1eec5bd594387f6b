/// The reference of all keys, generated from `ConfigurationKey`: sts-bridge.yaml(5), the example file, the table in Markdown.
package enum ConfigurationManual {
    /// Describes what all keys have in common.
    private static let introduction = """
        `sts-bridge` reads its configuration from `\(ConfigurationReader.defaultPath)`, or from the file that `--config` names,
        and from its environment. The file is YAML: sections with keys. All keys are optional.

        Each key is also an environment variable, `STS_BRIDGE_` and the key in capitals (`STS_BRIDGE_DNS_SERVERS`), which
        takes precedence over the file. In a variable, commas separate the elements of a list. Durations are written `90s`, `5m`, `1h`, `7d`.

        The daemon does not start with an unknown key or an invalid value; the error shows the file, the line, the key and
        the expected value. `sts-bridge config check` shows the same errors before a start, `sts-bridge config print` the
        values in use.

        After `sts-bridge reload`, or SIGHUP, the daemon reads the configuration again, without dropping a connection. It
        rejects a configuration that it could not start with, and keeps the old one. Keys that need a restart keep their
        old value until the next start.
        """

    package static func manual(_ release: ManualPage.Release) -> String {
        var manual = ManualPage(
            title: "STS-BRIDGE.YAML", section: 5, name: "sts-bridge.yaml", summary: "configuration of sts-bridge",
            release: release)
        manual.section("DESCRIPTION")
        manual.paragraphs(introduction)
        manual.section("KEYS")
        for section in sections {
            manual.subsection(section.name)
            manual.list(section.keys) {
                "Ic \($0.name)"
            } body: {
                describe($0, in: &$1)
            }
        }
        manual.section("FILES")
        manual.macro(".Pa \(ConfigurationReader.defaultPath)")
        manual.section("EXAMPLES")
        manual.paragraphs(
            """
            A local DNS resolver, and a socket for a Postfix whose smtp client runs in a chroot:

                listen:
                  socketmap: ["unix:/var/spool/postfix/run/sts-bridge/socket"]
                dns:
                  servers: [127.0.0.1]
            """)
        manual.section("SEE ALSO")
        manual.macro(".Xr sts-bridge 8")
        return manual.text
    }

    private static func describe(_ key: ConfigurationKey, in manual: inout ManualPage) {
        manual.paragraphs(key.fullMeaning)
        manual.macro(".br")
        manual.paragraphs("Default: `\(ConfigurationYAML.value(of: key, in: Configuration()))`.")
        manual.macro(".br")
        manual.paragraphs("Expected: \(key.expected).")
    }

    /// A configuration file in which all keys are commented out.
    package static func example() -> String {
        var lines = [
            "# The configuration of sts-bridge. All keys are optional; the lines that are commented out show the defaults.",
            "# See sts-bridge.yaml(5). Check a change with `sts-bridge config check`.",
        ]
        for section in sections {
            lines += ["", "\(section.name):"]
            for key in section.keys {
                lines += key.fullMeaning.wrapped(to: 100).map { "  # \($0)" }
                lines.append("  #\(key.lastName): \(ConfigurationYAML.value(of: key, in: Configuration()))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A Markdown table of all keys.
    package static func table() -> String {
        let rows = ConfigurationKey.all.map { key in
            // Markdown needs no quotes around the elements of a list.
            let value = ConfigurationYAML.value(of: key, in: Configuration())
            let shown = key.isList ? value.replacing("\"", with: "") : value
            return "| `\(key.name)` | `\(shown)` | \(key.fullMeaning) |"
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
    fileprivate var fullMeaning: String { meaning + (needsRestart ? "; a change needs a restart" : "") }
}
