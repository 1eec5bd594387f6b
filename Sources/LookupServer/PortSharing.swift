import Glibc

/// Which listening socket of one port gets the new connections: SO_REUSEPORT with a filter of one instruction, socket(7).
///
/// The kernel numbers the sockets of a port in the order in which they began to listen; when one is closed the last one gets
/// its number. A number that nobody has means that the kernel spreads connections by hash, which with one socket is all of
/// them. Each connection belongs to the socket that was chosen for its first packet, and is reset when that is closed
/// before it was accepted: so who ends steers away first, accepts what is queued, and then closes.
enum PortSharing {
    /// The one who was there first.
    static let first: UInt32 = 0
    /// The one who came after.
    static let second: UInt32 = 1

    /// `struct sock_filter` of linux/filter.h, which Glibc does not have.
    private struct Instruction {
        var code: UInt16
        var jumpIfTrue: UInt8 = 0
        var jumpIfFalse: UInt8 = 0
        var operand: UInt32

        /// `BPF_RET | BPF_K`
        static func yield(_ number: UInt32) -> Instruction { Instruction(code: 0x06, operand: number) }
    }

    /// `struct sock_fprog`.
    private struct Program {
        var length: UInt16
        var instructions: UnsafeMutablePointer<Instruction>
    }

    /// Lets others of the same user bind the port. On a socket that is bound already, its port was nobody's before.
    static func open(_ descriptor: Int32) throws(ListenFailure.Reason) {
        var on: Int32 = 1
        guard setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw .system(errno)
        }
    }

    /// New connections go to this socket of the port, whoever asks for it. Where the kernel cannot do it, it spreads them.
    static func steer(_ descriptor: Int32, to number: UInt32) {
        var instruction = Instruction.yield(number)
        withUnsafeMutablePointer(to: &instruction) { instruction in
            var program = Program(length: 1, instructions: instruction)
            let length = socklen_t(MemoryLayout<Program>.size)
            _ = setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, length)
        }
    }
}
