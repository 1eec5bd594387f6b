import Foundation

/// The programs of one Postfix: those of this host, or those of a directory tree with another Debian release.
///
/// A program of a tree runs through chroot(8) in a mount namespace of its own. There the tree has the caller's
/// resolv.conf, and the directory of the test network under the path that it has outside.
struct PostfixPrograms: Sendable {
    /// This host's own Postfix.
    static let host = PostfixPrograms(root: nil, shared: "")

    /// The directory tree; `nil` for this host.
    let root: String?
    /// The directory of the test network, which the programs of a tree share with this host.
    private let shared: String

    /// Debian 13 with Postfix 3.10, in the tree that `make test` makes.
    static func debian13(sharing directory: String) throws -> PostfixPrograms {
        let root = TestNetwork.repository.appending(path: ".build/trees/trixie-postfix").path
        guard FileManager.default.isExecutableFile(atPath: root + "/usr/sbin/postconf") else {
            throw TestNetworkError("no Debian 13 with Postfix at \(root): make it with `make trees` (needs root)")
        }
        return PostfixPrograms(root: root, shared: directory)
    }

    /// The command line that runs a program; the process id stays the same through all of its steps.
    ///
    /// - Parameter resolver: a resolv.conf(5) for this program alone; `nil` for that of the test network.
    func command(_ program: String, arguments: [String], resolver: String? = nil) -> [String] {
        let command = [program] + arguments
        let unshare = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c"]
        if let root {
            return unshare + [Self.enterTree, root, shared, resolver ?? "/etc/resolv.conf"] + command
        }
        // A mount gives this process a resolv.conf of its own.
        return resolver.map { unshare + [Self.bindResolver, $0] + command } ?? command
    }

    private static let bindResolver = #"mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@""#

    private static let enterTree = #"""
        set -e; root=$0 shared=$1 resolver=$2; shift 2
        mount -t tmpfs tmpfs "$root/tmp"
        mkdir -p "$root$shared"
        mount --bind "$shared" "$root$shared"
        mount --bind "$resolver" "$root/etc/resolv.conf"
        mount -t proc proc "$root/proc"
        exec chroot "$root" "$@"
        """#
}
