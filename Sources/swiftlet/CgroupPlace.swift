import LinuxSystem

/// Below which cgroup the node's pods lie. The agent notes it for whoever comes next: an agent or a reset that looked elsewhere
/// would not find them. The note is in the run directory, which ends with the machine, as cgroups do.
struct CgroupPlace {
    static let usual = "swiftlet"

    let parent: String
    private let note: String

    /// - Parameter asked: the option; nil for where the node's pods are, or else the usual place.
    /// - Throws: `Failure` if another place is asked for than where pods are.
    init(asked: String?, runDirectory: String) throws {
        note = runDirectory + "/cgroup-parent"
        let noted = Files.exists(note) ? try Files.readString(note).split(separator: "\n").first.map(String.init) : nil
        if let asked, let noted, asked != noted {
            throw Failure("expected --cgroup-parent to be \(noted), where this node's pods are, found \(asked): run 'swiftlet reset' or restart the host first")
        }
        parent = asked ?? noted ?? Self.usual
    }

    func keep() throws { try Files.writeAtomically(Array((parent + "\n").utf8), to: note) }
}
