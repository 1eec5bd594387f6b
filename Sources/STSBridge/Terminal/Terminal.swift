import Foundation
import Glibc

/// Where a command's text goes: how wide it may be, and whether colours are welcome there.
struct Terminal: Sendable {
    /// Columns; `nil`: no terminal but a pipe or a file, which gets every value in full.
    let width: Int?
    let hasColour: Bool

    /// Below this many columns a table is no table any more.
    private static let narrowest = 40
    /// Where nobody knows.
    private static let usual = 80

    init(width: Int?, hasColour: Bool) {
        self.width = width.map { max($0, Self.narrowest) }
        self.hasColour = hasColour
    }

    static var standardOutput: Terminal {
        let environment = ProcessInfo.processInfo.environment
        guard isatty(STDOUT_FILENO) == 1 else { return Terminal(width: nil, hasColour: false) }
        let width = environment["COLUMNS"].flatMap(Int.init).flatMap { $0 > 0 ? $0 : nil }
        // https://no-color.org: present and not empty.
        let isColourless = environment["NO_COLOR"]?.isEmpty == false || environment["TERM"] == "dumb"
        return Terminal(width: width ?? columns(of: STDOUT_FILENO) ?? usual, hasColour: !isColourless)
    }

    /// `nil`: the terminal does not know.
    private static func columns(of descriptor: Int32) -> Int? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    func paint(_ text: String, _ style: Style) -> String {
        guard hasColour, let code = style.code, !text.isEmpty else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }
}

/// What a text is to say at a glance. Never the only way in which it says so.
enum Style: Sendable {
    case plain
    case strong
    case faint
    case good
    case warning
    case bad

    /// SGR of ECMA-48: the eight colours that every terminal has, in the user's own shades.
    fileprivate var code: Int? {
        switch self {
        case .plain: nil
        case .strong: 1
        case .faint: 2
        case .good: 32
        case .warning: 33
        case .bad: 31
        }
    }
}

/// A piece of a line.
struct StyledText: Equatable, Sendable, ExpressibleByStringInterpolation {
    let text: String
    let style: Style

    init(_ text: String, _ style: Style = .plain) {
        self.text = text
        self.style = style
    }

    init(stringLiteral text: String) {
        self.init(text)
    }
}
