/// Signals by name, as images and Kubernetes write them (`SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`).
enum SignalName {
    /// Numbers of the x86 and ARM Linux ABI; the index is the number.
    private static let names = [
        "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
        "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ]
    private static let aliases: [String: Int32] = ["IOT": 6, "POLL": 29, "CLD": 17, "UNUSED": 31]
    /// What applications see: the C library keeps 32 and 33 for itself.
    private static let realTime: (first: Int32, last: Int32) = (34, 64)

    /// Nil for what is no signal of Linux.
    static func number(_ text: String) -> Int32? {
        if let number = Int32(text) { return (1...realTime.last).contains(number) ? number : nil }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        if name.isEmpty { return nil }
        if let index = names.firstIndex(of: name) { return Int32(index) }
        if let number = aliases[name] { return number }
        for (prefix, base, sign) in [("RTMIN", realTime.first, Int32(1)), ("RTMAX", realTime.last, Int32(-1))] where name.hasPrefix(prefix) {
            let rest = name.dropFirst(prefix.count)
            if rest.isEmpty { return base }
            guard rest.first == (sign > 0 ? "+" : "-"), let offset = Int32(rest.dropFirst()), offset >= 0, offset <= 30 else { return nil }
            return base + sign * offset
        }
        return nil
    }
}
